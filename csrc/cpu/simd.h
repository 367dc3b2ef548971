#pragma once

#include "kernels/base.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Vectors of one instruction set, as little of them as matmul needs: load,
// store, broadcast, fmadd, and load and store of the first few lanes. `fold`
// adds the upper half to the lower one down to 16 bytes, `sums` adds up each of
// a few such vectors, lane i to lane i + half: the same tree on every set. A
// type is named by its content; Wide<T>, Half<T> and Narrow<T> pick the ones of
// this set. Every function is inlined, so nothing of one set can be linked into
// another.
//
// Plain loops are preferred elsewhere: only matmul is bound by registers.

#include "cpu/simd_narrow.h"

namespace strop::cpu::STROP_ISA {
namespace {

#if defined(__AVX2__)

struct F32x8 {
  using Scalar = float;
  using Reg = __m256;
  static constexpr int kLanes = 8;
  STROP_HD Reg zero() { return _mm256_setzero_ps(); }
  STROP_HD Reg load(const float* p) { return _mm256_loadu_ps(p); }
  STROP_HD void store(float* p, Reg x) { _mm256_storeu_ps(p, x); }
  STROP_HD Reg broadcast(const float* p) { return _mm256_set1_ps(*p); }
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  STROP_HD Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  STROP_HD Reg relu(Reg x) { return _mm256_max_ps(zero(), x); }
  STROP_HD __m128 fold(Reg x) {
    return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  }
#if defined(__AVX512VL__)
  using Mask = __mmask8;
  STROP_HD Mask first(int n) { return Mask((1u << n) - 1); }
  STROP_HD Reg load(const float* p, Mask m) {
    return _mm256_maskz_loadu_ps(m, p);
  }
  STROP_HD void store(float* p, Reg x, Mask m) {
    _mm256_mask_storeu_ps(p, m, x);
  }
#else
  using Mask = __m256i;
  STROP_HD Mask first(int n) {
    return _mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(kOnes32 + 8 - n));
  }
  STROP_HD Reg load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  STROP_HD void store(float* p, Reg x, Mask m) { _mm256_maskstore_ps(p, m, x); }
#endif
};

struct F64x4 {
  using Scalar = double;
  using Reg = __m256d;
  static constexpr int kLanes = 4;
  STROP_HD Reg zero() { return _mm256_setzero_pd(); }
  STROP_HD Reg load(const double* p) { return _mm256_loadu_pd(p); }
  STROP_HD void store(double* p, Reg x) { _mm256_storeu_pd(p, x); }
  STROP_HD Reg broadcast(const double* p) { return _mm256_set1_pd(*p); }
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return _mm256_fmadd_pd(a, b, c); }
  STROP_HD Reg add(Reg a, Reg b) { return _mm256_add_pd(a, b); }
  STROP_HD Reg relu(Reg x) { return _mm256_max_pd(zero(), x); }
  STROP_HD __m128d fold(Reg x) {
    return _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
  }
#if defined(__AVX512VL__)
  using Mask = __mmask8;
  STROP_HD Mask first(int n) { return Mask((1u << n) - 1); }
  STROP_HD Reg load(const double* p, Mask m) {
    return _mm256_maskz_loadu_pd(m, p);
  }
  STROP_HD void store(double* p, Reg x, Mask m) {
    _mm256_mask_storeu_pd(p, m, x);
  }
#else
  using Mask = __m256i;
  STROP_HD Mask first(int n) {
    return _mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(kOnes64 + 4 - n));
  }
  STROP_HD Reg load(const double* p, Mask m) {
    return _mm256_maskload_pd(p, m);
  }
  STROP_HD void store(double* p, Reg x, Mask m) {
    _mm256_maskstore_pd(p, m, x);
  }
#endif
};

#endif

#if defined(__AVX512F__)

struct F32x16 {
  using Scalar = float;
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  STROP_HD Reg zero() { return _mm512_setzero_ps(); }
  STROP_HD Reg load(const float* p) { return _mm512_loadu_ps(p); }
  STROP_HD void store(float* p, Reg x) { _mm512_storeu_ps(p, x); }
  STROP_HD Reg broadcast(const float* p) { return _mm512_set1_ps(*p); }
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  STROP_HD Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  // Masked here and in fold: of the plain ones GCC 12 warns falsely.
  STROP_HD Reg relu(Reg x) { return _mm512_maskz_max_ps(0xffff, zero(), x); }
  STROP_HD __m128 fold(Reg x) {
    return F32x8::fold(_mm256_add_ps(_mm512_extractf32x8_ps(x, 0),
                                     _mm512_extractf32x8_ps(x, 1)));
  }
  STROP_HD Mask first(int n) { return Mask((1u << n) - 1); }
  STROP_HD Reg load(const float* p, Mask m) {
    return _mm512_maskz_loadu_ps(m, p);
  }
  STROP_HD void store(float* p, Reg x, Mask m) {
    _mm512_mask_storeu_ps(p, m, x);
  }
};

struct F64x8 {
  using Scalar = double;
  using Reg = __m512d;
  using Mask = __mmask8;
  static constexpr int kLanes = 8;
  STROP_HD Reg zero() { return _mm512_setzero_pd(); }
  STROP_HD Reg load(const double* p) { return _mm512_loadu_pd(p); }
  STROP_HD void store(double* p, Reg x) { _mm512_storeu_pd(p, x); }
  STROP_HD Reg broadcast(const double* p) { return _mm512_set1_pd(*p); }
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return _mm512_fmadd_pd(a, b, c); }
  STROP_HD Reg add(Reg a, Reg b) { return _mm512_add_pd(a, b); }
  STROP_HD Reg relu(Reg x) { return _mm512_maskz_max_pd(0xff, zero(), x); }
  STROP_HD __m128d fold(Reg x) {
    return F64x4::fold(_mm256_add_pd(_mm512_maskz_extractf64x4_pd(0xf, x, 0),
                                     _mm512_maskz_extractf64x4_pd(0xf, x, 1)));
  }
  STROP_HD Mask first(int n) { return Mask((1u << n) - 1); }
  STROP_HD Reg load(const double* p, Mask m) {
    return _mm512_maskz_loadu_pd(m, p);
  }
  STROP_HD void store(double* p, Reg x, Mask m) {
    _mm512_mask_storeu_pd(p, m, x);
  }
};

#endif
}  // namespace
}  // namespace strop::cpu::STROP_ISA

namespace strop::cpu::STROP_ISA {
namespace {

#if defined(__AVX512F__)
template <typename T>
struct Vectors;
template <>
struct Vectors<float> {
  using Wide = F32x16;
  using Half = F32x8;
};
template <>
struct Vectors<double> {
  using Wide = F64x8;
  using Half = F64x4;
};
constexpr bool kHasHalf = true;
constexpr bool kFreeMasks = true;  // a masked load costs what a plain one does
#elif defined(__AVX2__)
template <typename T>
struct Vectors;
template <>
struct Vectors<float> {
  using Wide = F32x8;
  using Half = F32x4;
};
template <>
struct Vectors<double> {
  using Wide = F64x4;
  using Half = F64x2;
};
constexpr bool kHasHalf = true;
constexpr bool kFreeMasks = false;
#else
template <typename T>
struct Vectors;
template <>
struct Vectors<float> {
  using Wide = F32x4;
  using Half = F32x4;
};
template <>
struct Vectors<double> {
  using Wide = F64x2;
  using Half = F64x2;
};
constexpr bool kHasHalf = false;
constexpr bool kFreeMasks = false;
#endif

// Keeps a loaded value in its register: GCC would rather load it again for each
// use, and a load that crosses a cache line costs as much as a fmadd.
template <typename Reg>
STROP_HD void hold(Reg& x) {
#if defined(__AVX512F__)
  asm("" : "+v"(x));
#elif defined(__x86_64__)
  asm("" : "+x"(x));
#elif defined(__aarch64__)
  asm("" : "+w"(x));
#else
  (void)x;
#endif
}

template <typename T>
using Wide = typename Vectors<T>::Wide;
template <typename T>
using Half = typename Vectors<T>::Half;
template <typename T>
using Narrow = typename Narrowest<T>::Vector;

}  // namespace
}  // namespace strop::cpu::STROP_ISA
