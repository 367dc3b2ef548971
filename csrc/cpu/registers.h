#pragma once

#include "kernels/base.h"
#include "math/elementary.h"

// Registers side by side, and what is done with each of them.

namespace strop::cpu {

template <typename T>
struct RegisterOf;
template <>
struct RegisterOf<float> {
  using Type = FloatVector;
};
template <>
struct RegisterOf<double> {
  using Type = DoubleVector;
};

template <typename T>
inline constexpr Index kRegisterWidth =
    sizeof(typename RegisterOf<T>::Type) / sizeof(T);

// Registers as halves of halves that are copied one by one: what has a name GCC
// keeps in a register. An array of vectors, or a struct that it may copy whole,
// goes through the stack in pieces, and the load of a register then waits for
// its pieces (a sum took 8 times as long on AVX2, 30 times on the baseline).
template <typename T, Index kWidth>
struct Registers {
  static constexpr bool kOne = false;
  Registers<T, kWidth / 2> low, high;

  Registers() = default;
  __attribute__((always_inline)) Registers(const Registers& other)
      : low(other.low), high(other.high) {}
  __attribute__((always_inline)) Registers& operator=(const Registers& other) {
    low = other.low;
    high = other.high;
    return *this;
  }
};

template <typename T>
struct Registers<T, kRegisterWidth<T>> {
  static constexpr bool kOne = true;
  typename RegisterOf<T>::Type r;
};

// Calls f with each register of `first` and those beside it of the others.
template <typename F, typename First, typename... Others>
STROP_HD void each_register(const F& f, First& first, Others&... others) {
  if constexpr (First::kOne) {
    f(first.r, others.r...);
  } else {
    each_register(f, first.low, others.low...);
    each_register(f, first.high, others.high...);
  }
}

// f of each register, or of each two.
template <typename T, Index kWidth, typename F>
STROP_HD Registers<T, kWidth> map(Registers<T, kWidth> x, const F& f) {
  each_register([&](auto& r) __attribute__((always_inline)) { r = f(r); }, x);
  return x;
}

template <typename T, Index kWidth, typename F>
STROP_HD Registers<T, kWidth> map(Registers<T, kWidth> a,
                                  const Registers<T, kWidth>& b, const F& f) {
  each_register([&](auto& to, const auto& from)
                    __attribute__((always_inline)) { to = f(to, from); },
                a, b);
  return a;
}

#define STROP_LANES_FUNCTION(name, expression)                           \
  template <typename T, Index kWidth>                                    \
  STROP_HD Registers<T, kWidth> name(const Registers<T, kWidth>& x,      \
                                     const Registers<T, kWidth>& y) {    \
    return map(x, y, [](auto a, auto b) __attribute__((always_inline)) { \
      return expression;                                                 \
    });                                                                  \
  }
STROP_LANES_FUNCTION(operator+, a + b)
STROP_LANES_FUNCTION(operator-, a - b)
STROP_LANES_FUNCTION(operator*, a* b)
// a > b ? a : b in each lane, so b where one is NaN.
STROP_LANES_FUNCTION(greater, strop::greater(a, b))
#undef STROP_LANES_FUNCTION

// The halves of a register that is wider than 16 bytes.
#if defined(__AVX2__)
STROP_HD __m128 low_half(__m256 x) { return _mm256_castps256_ps128(x); }
STROP_HD __m128 high_half(__m256 x) { return _mm256_extractf128_ps(x, 1); }
STROP_HD __m128d low_half(__m256d x) { return _mm256_castpd256_pd128(x); }
STROP_HD __m128d high_half(__m256d x) { return _mm256_extractf128_pd(x, 1); }
#endif
#if defined(__AVX512F__)
STROP_HD __m256 low_half(__m512 x) {
  return _mm512_maskz_extractf32x8_ps(0xff, x, 0);
}
STROP_HD __m256 high_half(__m512 x) {
  return _mm512_maskz_extractf32x8_ps(0xff, x, 1);
}
STROP_HD __m256d low_half(__m512d x) {
  return _mm512_maskz_extractf64x4_pd(0xf, x, 0);
}
STROP_HD __m256d high_half(__m512d x) {
  return _mm512_maskz_extractf64x4_pd(0xf, x, 1);
}
#endif

}  // namespace strop::cpu
