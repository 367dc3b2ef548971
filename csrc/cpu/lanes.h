#pragma once

#include "kernels/base.h"
#include "math/elementary.h"

// 16 lanes, whatever the registers: one zmm, two ymm or four q registers. What
// is summed in them has a fixed order, so that every set gives the same bits.
// Ends of rows are loaded under a mask: nothing beyond them is read.

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
struct Lanes {
  using Register = typename RegisterOf<T>::Type;
  static constexpr int kEach = sizeof(Register) / sizeof(T);
  static constexpr int kRegisters = 16 / kEach;
  Register r[kRegisters];
};

inline constexpr Index kLanes = 16;

template <typename T>
STROP_HD Lanes<T> spread(T x) {
  Lanes<T> lanes;
  for (auto& r : lanes.r) r = typename Lanes<T>::Register{} + x;
  return lanes;
}

#define STROP_LANES_OPERATOR(op)                                 \
  template <typename T>                                          \
  STROP_HD Lanes<T> operator op(Lanes<T> a, const Lanes<T>& b) { \
    for (int k = 0; k < Lanes<T>::kRegisters; ++k) {             \
      a.r[k] = a.r[k] op b.r[k];                                 \
    }                                                            \
    return a;                                                    \
  }
STROP_LANES_OPERATOR(+)
STROP_LANES_OPERATOR(-)
STROP_LANES_OPERATOR(*)
#undef STROP_LANES_OPERATOR

template <typename T>
STROP_HD Lanes<T> exponential(Lanes<T> x) {
  for (auto& r : x.r) r = strop::exponential(r);
  return x;
}

// For x <= 0.
template <typename T>
STROP_HD Lanes<T> exponential_below(Lanes<T> x) {
  for (auto& r : x.r) r = strop::exponential_below(r);
  return x;
}

// a > b ? a : b in each lane, so b where one is NaN.
template <typename T>
STROP_HD Lanes<T> greater(Lanes<T> a, const Lanes<T>& b) {
  for (int k = 0; k < Lanes<T>::kRegisters; ++k) {
    a.r[k] = strop::greater(a.r[k], b.r[k]);
  }
  return a;
}

// Register by register: GCC copies all of them at once in pieces of 16 bytes
// through the stack, and the load of a register then waits for its pieces, 10
// times as long.
template <typename T>
STROP_HD Lanes<T> all_lanes(const T* p) {
  Lanes<T> lanes;
  for (int k = 0; k < Lanes<T>::kRegisters; ++k) {
    __builtin_memcpy(&lanes.r[k], p + k * Lanes<T>::kEach, sizeof lanes.r[k]);
  }
  return lanes;
}

template <typename T>
STROP_HD void store_all_lanes(T* p, const Lanes<T>& lanes) {
  for (int k = 0; k < Lanes<T>::kRegisters; ++k) {
    __builtin_memcpy(p + k * Lanes<T>::kEach, &lanes.r[k], sizeof lanes.r[k]);
  }
}

// n of the 16 lanes, n >= 16 meaning all, the others `fill`.
template <typename T>
STROP_HD Lanes<T> load_lanes(const T* p, Index n, T fill) {
  if (n >= kLanes) return all_lanes(p);
  Lanes<T> lanes;
#if defined(__AVX512F__)
  const auto mask = static_cast<unsigned short>((1u << n) - 1);
  if constexpr (sizeof(T) == 4) {
    lanes.r[0] = _mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask, p);
  } else {
    const __m512d rest = _mm512_set1_pd(fill);
    lanes.r[0] = _mm512_mask_loadu_pd(rest, mask & 0xff, p);
    lanes.r[1] = _mm512_mask_loadu_pd(rest, mask >> 8, p + 8);
  }
#elif defined(__AVX2__)
  for (int k = 0; k < Lanes<T>::kRegisters; ++k) {
    const int first = k * Lanes<T>::kEach;
    if constexpr (sizeof(T) == 4) {
      const __m256i mask =
          _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n) - first),
                             _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
      lanes.r[k] = _mm256_blendv_ps(_mm256_set1_ps(fill),
                                    _mm256_maskload_ps(p + first, mask),
                                    _mm256_castsi256_ps(mask));
    } else {
      const __m256i mask = _mm256_cmpgt_epi64(_mm256_set1_epi64x(n - first),
                                              _mm256_setr_epi64x(0, 1, 2, 3));
      lanes.r[k] = _mm256_blendv_pd(_mm256_set1_pd(fill),
                                    _mm256_maskload_pd(p + first, mask),
                                    _mm256_castsi256_pd(mask));
    }
  }
#else
  T copy[kLanes];
  for (Index i = 0; i < kLanes; ++i) copy[i] = i < n ? p[i] : fill;
  lanes = all_lanes(copy);
#endif
  return lanes;
}

template <typename T>
STROP_HD void store_lanes(T* p, const Lanes<T>& lanes, Index n) {
  if (n >= kLanes) return store_all_lanes(p, lanes);
#if defined(__AVX512F__)
  const auto mask = static_cast<unsigned short>((1u << n) - 1);
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_ps(p, mask, lanes.r[0]);
  } else {
    _mm512_mask_storeu_pd(p, mask & 0xff, lanes.r[0]);
    _mm512_mask_storeu_pd(p + 8, mask >> 8, lanes.r[1]);
  }
#else
  // A masked store of AVX2 takes 12 cycles on Zen: whole halves, then quarters.
  T copy[kLanes];
  store_all_lanes(copy, lanes);
  Index i = 0;
  for (Index part = kLanes / 2; part > 0; part /= 2) {
    if ((n & part) == 0) continue;
    for (Index k = 0; k < part; ++k) p[i + k] = copy[i + k];
    i += part;
  }
#endif
}

// Calls f(i, n) for i = 0, 16, ... with n the elements left, at most 16.
template <typename F>
STROP_HD void for_lanes(Index size, const F& f) {
  Index i = 0;
  for (; i + kLanes <= size; i += kLanes) f(i, kLanes);
  if (i < size) f(i, size - i);
}

// The lanes added as a binary tree, in double: i + 8, i + 4, i + 2, i + 1.
template <typename T>
STROP_HD double add_lanes(const Lanes<T>& v) {
#if defined(__AVX2__)
  __m256d four;
#if defined(__AVX512F__)
  __m512d eight;
  if constexpr (sizeof(T) == 4) {
    const __m512 all = v.r[0];
    eight =
        _mm512_maskz_cvtps_pd(0xff,
                              _mm512_maskz_extractf32x8_ps(0xff, all, 0)) +
        _mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, all, 1));
  } else {
    eight = v.r[0] + v.r[1];
  }
  four = _mm512_maskz_extractf64x4_pd(0xf, eight, 0) +
         _mm512_maskz_extractf64x4_pd(0xf, eight, 1);
#else
  if constexpr (sizeof(T) == 4) {
    const __m256 a = v.r[0], b = v.r[1];
    four = (_mm256_cvtps_pd(_mm256_castps256_ps128(a)) +
            _mm256_cvtps_pd(_mm256_castps256_ps128(b))) +
           (_mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)) +
            _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1)));
  } else {
    four = (v.r[0] + v.r[2]) + (v.r[1] + v.r[3]);
  }
#endif
  const __m128d two =
      _mm256_castpd256_pd128(four) + _mm256_extractf128_pd(four, 1);
  return two[0] + two[1];
#else
  T lanes[kLanes];
  store_all_lanes(lanes, v);
  double sums[kLanes];
  for (int i = 0; i < kLanes; ++i) sums[i] = double(lanes[i]);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
#endif
}

// Of lanes that are 0 or NaN.
template <typename T>
STROP_HD bool any_nan(const Lanes<T>& v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return _mm512_cmp_ps_mask(v.r[0], v.r[0], _CMP_UNORD_Q) != 0;
  }
#endif
  const double sum = add_lanes(v);  // the others are 0
  return sum != sum;
}

// The greatest lane; NaN lanes may be passed over.
template <typename T>
STROP_HD T greatest_lane(const Lanes<T>& v) {
#if defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
#if defined(__AVX512F__)
    const __m256 eight =
        _mm256_max_ps(_mm512_maskz_extractf32x8_ps(0xff, v.r[0], 0),
                      _mm512_maskz_extractf32x8_ps(0xff, v.r[0], 1));
#else
    const __m256 eight = _mm256_max_ps(v.r[0], v.r[1]);
#endif
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight),
                                   _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_max_ss(two, _mm_movehdup_ps(two))[0];
  }
#endif
  T lanes[kLanes];
  store_all_lanes(lanes, v);
  T top = lanes[0];
  for (const T lane : lanes) top = lane > top ? lane : top;
  return top;
}

}  // namespace strop::cpu
