#pragma once

#include "cpu/registers.h"

// 16 lanes, whatever the registers: one zmm, two ymm or four q registers. What
// is summed in them has a fixed order, so that every set gives the same bits.
// Ends of rows are loaded under a mask: nothing beyond them is read.

namespace strop::cpu {

inline constexpr Index kLanes = 16;

template <typename T>
using Lanes = Registers<T, kLanes>;

template <typename T>
STROP_HD Lanes<T> spread(T x) {
  Lanes<T> lanes;
  const auto all = typename RegisterOf<T>::Type{} + x;
  each_register([=](auto& r) __attribute__((always_inline)) { r = all; },
                lanes);
  return lanes;
}

template <typename T>
STROP_HD Lanes<T> exponential(const Lanes<T>& x) {
  return map(x, [](auto r) __attribute__((always_inline)) {
    return strop::exponential(r);
  });
}

// For x <= 0.
template <typename T>
STROP_HD Lanes<T> exponential_below(const Lanes<T>& x) {
  return map(x, [](auto r) __attribute__((always_inline)) {
    return strop::exponential_below(r);
  });
}

template <typename T>
STROP_HD Lanes<T> all_lanes(const T* p) {
  Lanes<T> lanes;
  each_register(
      [&](auto& r) __attribute__((always_inline)) {
        __builtin_memcpy(&r, p, sizeof r);
        p += kRegisterWidth<T>;
      },
      lanes);
  return lanes;
}

template <typename T>
STROP_HD void store_all(T* p, const Lanes<T>& lanes) {
  each_register(
      [&](const auto& r) __attribute__((always_inline)) {
        __builtin_memcpy(p, &r, sizeof r);
        p += kRegisterWidth<T>;
      },
      lanes);
}

#if !defined(__AVX2__)
// Loops by elements, which are there once and not where they are used.
template <typename T>
__attribute__((noinline)) static Lanes<T> load_first(const T* p, Index n,
                                                     T fill) {
  T copy[kLanes];
  for (Index i = 0; i < kLanes; ++i) copy[i] = i < n ? p[i] : fill;
  return all_lanes(copy);
}

template <typename T>
__attribute__((noinline)) static void store_first(T* p, const Lanes<T>& lanes,
                                                  Index n) {
  T copy[kLanes];
  store_all(copy, lanes);
  for (Index i = 0; i < n; ++i) p[i] = copy[i];
}
#endif

// n of the 16 lanes, n >= 16 meaning all, the others `fill`.
template <typename T>
STROP_HD Lanes<T> load_lanes(const T* p, Index n, T fill) {
  if (n >= kLanes) return all_lanes(p);
#if defined(__AVX2__)
  Lanes<T> lanes;
  int left = int(n);
  each_register(
      [&](auto& r) __attribute__((always_inline)) {
#if defined(__AVX512F__)
        const auto mask = (1u << (left > 0 ? left : 0)) - 1;
        if constexpr (sizeof(T) == 4) {
          r = _mm512_mask_loadu_ps(_mm512_set1_ps(fill), __mmask16(mask), p);
        } else {
          r = _mm512_mask_loadu_pd(_mm512_set1_pd(fill), __mmask8(mask), p);
        }
#else
        if constexpr (sizeof(T) == 4) {
          const __m256i mask =
              _mm256_cmpgt_epi32(_mm256_set1_epi32(left),
                                 _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
          r = _mm256_blendv_ps(_mm256_set1_ps(fill),
                               _mm256_maskload_ps(p, mask),
                               _mm256_castsi256_ps(mask));
        } else {
          const __m256i mask = _mm256_cmpgt_epi64(
              _mm256_set1_epi64x(left), _mm256_setr_epi64x(0, 1, 2, 3));
          r = _mm256_blendv_pd(_mm256_set1_pd(fill),
                               _mm256_maskload_pd(p, mask),
                               _mm256_castsi256_pd(mask));
        }
#endif
        p += kRegisterWidth<T>;
        left -= int(kRegisterWidth<T>);
      },
      lanes);
  return lanes;
#else
  return load_first(p, n, fill);
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
// The first n elements of a register, fewer than it has: its half and so on. A
// masked store takes 12 cycles on Zen.
template <typename T, typename V>
STROP_HD void store_first(T* p, const V& x, Index n) {
  constexpr Index kHalf = sizeof(V) / sizeof(T) / 2;
  if constexpr (sizeof(V) > 16) {
    if ((n & kHalf) == 0) return store_first(p, low_half(x), n);
    const auto low = low_half(x);
    __builtin_memcpy(p, &low, sizeof low);
    store_first(p + kHalf, high_half(x), n);
  } else if constexpr (kHalf == 2) {
    const bool two = (n & 2) != 0;
    if (two) {
      p[0] = x[0];
      p[1] = x[1];
    }
    if ((n & 1) != 0) p[two ? 2 : 0] = two ? x[2] : x[0];
  } else {
    if ((n & 1) != 0) p[0] = x[0];
  }
}
#endif

template <typename T>
STROP_HD void store_lanes(T* p, const Lanes<T>& lanes, Index n) {
  if (n >= kLanes) return store_all(p, lanes);
#if defined(__AVX2__)
  Index left = n;
  each_register(
      [&](const auto& r) __attribute__((always_inline)) {
#if defined(__AVX512F__)
        const auto mask = (1u << (left > 0 ? left : 0)) - 1;
        if constexpr (sizeof(T) == 4) {
          _mm512_mask_storeu_ps(p, __mmask16(mask), r);
        } else {
          _mm512_mask_storeu_pd(p, __mmask8(mask), r);
        }
#else
        if (left >= kRegisterWidth<T>) {
          __builtin_memcpy(p, &r, sizeof r);
        } else if (left > 0) {
          store_first(p, r, left);
        }
#endif
        p += kRegisterWidth<T>;
        left -= kRegisterWidth<T>;
      },
      lanes);
#else
  store_first(p, lanes, n);
#endif
}

// Calls f(i, n) for i = 0, 16, ... with n the elements left, or 16 of them.
// On the baseline as one piece of code, for its size.
template <typename F>
STROP_HD void for_lanes(Index size, const F& f) {
  Index i = 0;
#if defined(__AVX2__) || defined(__aarch64__)
  for (; i + kLanes <= size; i += kLanes) f(i, kLanes);
  if (i < size) f(i, size - i);
#else
  for (; i < size; i += kLanes) f(i, size - i);
#endif
}

// Lane i with lane i + 8, then + 4, + 2 and + 1, by f: the same tree on every
// set.
template <typename V, typename F>
STROP_HD auto fold_register(const V& x, const F& f) {
  if constexpr (sizeof(V) > 16) {
    return fold_register(f(low_half(x), high_half(x)), f);
  } else if constexpr (sizeof(x) / sizeof(x[0]) == 4) {
    return f(f(x[0], x[2]), f(x[1], x[3]));
  } else {
    return f(x[0], x[1]);
  }
}

template <typename T, Index kWidth, typename F>
STROP_HD T fold(const Registers<T, kWidth>& x, const F& f) {
  if constexpr (Registers<T, kWidth>::kOne) {
    return fold_register(x.r, f);
  } else {
    return fold(map(x.low, x.high, f), f);
  }
}

STROP_HD DoubleVector first_as_doubles(FloatVector x) {
#if defined(__AVX512F__)
  return _mm512_maskz_cvtps_pd(0xff, low_half(x));
#elif defined(__AVX2__)
  return _mm256_cvtps_pd(low_half(x));
#elif defined(__x86_64__)
  return _mm_cvtps_pd(x);
#else
  return DoubleVector{double(x[0]), double(x[1])};
#endif
}

STROP_HD DoubleVector last_as_doubles(FloatVector x) {
#if defined(__AVX512F__)
  return _mm512_maskz_cvtps_pd(0xff, high_half(x));
#elif defined(__AVX2__)
  return _mm256_cvtps_pd(high_half(x));
#elif defined(__x86_64__)
  return _mm_cvtps_pd(_mm_movehl_ps(x, x));
#else
  return DoubleVector{double(x[2]), double(x[3])};
#endif
}

template <Index kWidth>
STROP_HD Registers<double, kWidth> as_doubles(
    const Registers<float, kWidth>& x) {
  Registers<double, kWidth> y;
  if constexpr (Registers<float, kWidth>::kOne) {
    y.low.r = first_as_doubles(x.r);
    y.high.r = last_as_doubles(x.r);
  } else {
    y.low = as_doubles(x.low);
    y.high = as_doubles(x.high);
  }
  return y;
}

// The sum of the lanes, in double.
STROP_HD double add_lanes(const Lanes<double>& v) {
  return fold(
      v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
}

STROP_HD double add_lanes(const Lanes<float>& v) {
  return add_lanes(as_doubles(v));
}

// Of lanes that are 0 or NaN.
template <typename T>
STROP_HD bool any_nan(const Lanes<T>& v) {
  const T sum = fold(
      v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
  return sum != sum;
}

// The greatest lane; NaN lanes may be passed over.
template <typename T>
STROP_HD T greatest_lane(const Lanes<T>& v) {
  return fold(v, [](auto a, auto b)
                     __attribute__((always_inline)) { return a > b ? a : b; });
}

}  // namespace strop::cpu
