#pragma once

#include "kernels.h"

// Sums in a fixed order. 16 lanes, whatever the registers: the compiler makes
// of them one zmm, two ymm or four q registers, and the bits are the same.

namespace strop::cpu {

template <typename T>
struct Lanes {
  static constexpr int kCount = 16;
  typedef T Vector __attribute__((vector_size(kCount * sizeof(T))));
};

// The lanes added as a binary tree, in double.
template <typename T>
STROP_HD double add_lanes(const typename Lanes<T>::Vector& v) {
  double sums[Lanes<T>::kCount];
  for (int i = 0; i < Lanes<T>::kCount; ++i) sums[i] = double(v[i]);
  for (int half = Lanes<T>::kCount / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

// Element i goes to lane i mod 16 of accumulator (i / 16) mod 4: four chains,
// since one would wait for its own addition.
template <bool kSquares, typename T>
STROP_HD double lane_sum(const T* x, Index n) {
  using Vector = typename Lanes<T>::Vector;
  constexpr int kLanes = Lanes<T>::kCount;
  Vector sums[4] = {};
  Index i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) {
      Vector v;
      __builtin_memcpy(&v, x + i + k * kLanes, sizeof v);
      sums[k] += kSquares ? v * v : v;
    }
  }
  for (int k = 0; i < n; i += kLanes, ++k) {
    Vector v = {};
    const Index left = n - i < kLanes ? n - i : kLanes;
    __builtin_memcpy(&v, x + i, left * sizeof(T));
    sums[k] += kSquares ? v * v : v;
  }
  return add_lanes<T>((sums[0] + sums[2]) + (sums[1] + sums[3]));
}

// The greatest of n >= 1 elements; the first NaN if there is one.
template <typename T>
STROP_HD T greatest(const T* x, Index n) {
  using Vector = typename Lanes<T>::Vector;
  constexpr int kLanes = Lanes<T>::kCount;
  Vector best = Vector{} + x[0];
  auto unequal = best != best;
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Vector v;
    __builtin_memcpy(&v, x + i, sizeof v);
    best = v > best ? v : best;
    unequal |= v != v;
  }
  T top = best[0];
  bool poisoned = false;
  for (int k = 0; k < kLanes; ++k) {
    top = best[k] > top ? best[k] : top;
    poisoned |= unequal[k] != 0;
  }
  for (; i < n; ++i) {
    top = x[i] > top ? x[i] : top;
    poisoned |= x[i] != x[i];
  }
  if (poisoned) {
    for (i = 0; i < n; ++i) {
      if (x[i] != x[i]) return x[i];
    }
  }
  return top;
}

}  // namespace strop::cpu
