#pragma once

#include <cstdint>

#include "math/macros.h"

#if defined(__x86_64__) && !defined(__CUDACC__)
#include <immintrin.h>
#endif

// The widest vector of floats of the instruction set, for kernels that keep
// several values of one formula in registers. A formula that is a template on F
// takes it as it takes a float: + - * /, comparisons and ?: are the compiler's
// own on vectors; what they are not stands here.

namespace strop {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// The whole numbers that have the size of an F.
template <typename F>
struct BitsOf;
template <>
struct BitsOf<float> {
  using Type = std::uint32_t;
};

#if !defined(__CUDACC__)
typedef float FloatVector __attribute__((vector_size(kVectorBytes)));
typedef double DoubleVector __attribute__((vector_size(kVectorBytes)));
typedef std::uint32_t WordVector __attribute__((vector_size(kVectorBytes)));
typedef std::uint64_t LongVector __attribute__((vector_size(kVectorBytes)));

template <>
struct BitsOf<FloatVector> {
  using Type = WordVector;
};
template <>
struct BitsOf<DoubleVector> {
  using Type = LongVector;
};

STROP_HD FloatVector multiply_add(FloatVector a, FloatVector b, FloatVector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  FloatVector sum;
  for (int i = 0; i < 4; ++i) sum[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return sum;
#else
  return a * b + c;
#endif
}

STROP_HD DoubleVector multiply_add(DoubleVector a, DoubleVector b,
                                   DoubleVector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_pd(a, b, c);
#elif defined(__aarch64__)
  return DoubleVector{__builtin_fma(a[0], b[0], c[0]),
                      __builtin_fma(a[1], b[1], c[1])};
#else
  return a * b + c;
#endif
}

// a > b ? a : b and a < b ? a : b, so b where one is NaN. As the processor's
// own instructions: the compiler would compare and blend.
STROP_HD FloatVector greater(FloatVector a, FloatVector b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#elif defined(__x86_64__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

STROP_HD FloatVector lesser(FloatVector a, FloatVector b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xffff, a, b);
#elif defined(__AVX2__)
  return _mm256_min_ps(a, b);
#elif defined(__x86_64__)
  return _mm_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

STROP_HD DoubleVector greater(DoubleVector a, DoubleVector b) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  return _mm256_max_pd(a, b);
#else
  return a > b ? a : b;
#endif
}

STROP_HD DoubleVector lesser(DoubleVector a, DoubleVector b) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  return _mm256_min_pd(a, b);
#else
  return a < b ? a : b;
#endif
}
#endif

STROP_HD float greater(float a, float b) { return a > b ? a : b; }
STROP_HD float lesser(float a, float b) { return a < b ? a : b; }

template <typename F>
STROP_HD F constant(float x) {
  return F{} + x;
}

template <typename To, typename From>
STROP_HD To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace strop
