#pragma once

#include "cpu/lanes.h"

// Sums and maxima of a run of elements, in 16 lanes.

namespace strop::cpu {

// Sums of lanes in four chains, since one would wait for its own addition.
template <typename T>
struct LaneSums {
  Lanes<T> chains[4] = {};

  // Adds term(i, n) of the lanes of `size` elements; lanes past n must be 0.
  // Lanes i go to chain (i / 16) mod 4. `size` must be a multiple of 64 where
  // more follows.
  template <typename F>
  __attribute__((always_inline)) void take(Index size, const F& term) {
    Index i = 0;
    for (; i + 4 * kLanes <= size; i += 4 * kLanes) {
      chains[0] = chains[0] + term(i, kLanes);
      chains[1] = chains[1] + term(i + kLanes, kLanes);
      chains[2] = chains[2] + term(i + 2 * kLanes, kLanes);
      chains[3] = chains[3] + term(i + 3 * kLanes, kLanes);
    }
    const Index whole = (size - i) / kLanes;
    if (whole > 0) chains[0] = chains[0] + term(i, kLanes);
    if (whole > 1) chains[1] = chains[1] + term(i + kLanes, kLanes);
    if (whole > 2) chains[2] = chains[2] + term(i + 2 * kLanes, kLanes);
    const Index left = size & (kLanes - 1);
    if (left == 0) return;
    const Lanes<T> rest = term(i + whole * kLanes, left);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      if (k == whole) chains[k] = chains[k] + rest;
    }
  }

  __attribute__((always_inline)) double total() const {
    return add_lanes((chains[0] + chains[2]) + (chains[1] + chains[3]));
  }
};

// The sum of term(i, n) over the lanes of `size` elements.
template <typename T, typename F>
STROP_HD double sum_terms(Index size, const F& term) {
  if (size <= kLanes) return add_lanes(term(Index{0}, size));
  LaneSums<T> sums;
  sums.take(size, term);
  return sums.total();
}

template <bool kSquares, typename T>
STROP_HD double lane_sum(const T* x, Index n) {
  return sum_terms<T>(n,
                      [=](Index i, Index left) __attribute__((always_inline)) {
                        const Lanes<T> v = load_lanes(x + i, left, T(0));
                        return kSquares ? v * v : v;
                      });
}

// The greatest of n >= 1 elements where none is NaN; else any.
template <typename T>
STROP_HD T greatest_number(const T* x, Index n) {
  const T lowest = -__builtin_inf();
  Lanes<T> best = spread(lowest);
  for_lanes(n, [&](Index i, Index left) __attribute__((always_inline)) {
    best = greater(load_lanes(x + i, left, lowest), best);
  });
  return greatest_lane(best);
}

// The greatest of n >= 1 elements; the first NaN if there is one.
template <typename T>
STROP_HD T greatest(const T* x, Index n) {
  const T lowest = -__builtin_inf();
  Lanes<T> best = spread(lowest);
  Lanes<T> odd = {};  // a NaN where one was seen, else 0
  for_lanes(n, [&](Index i, Index left) __attribute__((always_inline)) {
    const Lanes<T> v = load_lanes(x + i, left, lowest);
    best = greater(v, best);
    odd = map(odd, v, [](auto a, auto b) __attribute__((always_inline)) {
      return b == b ? a : b;
    });
  });
  if (!any_nan(odd)) return greatest_lane(best);
  Index i = 0;
  while (x[i] == x[i]) ++i;
  return x[i];
}

// The place of the first element that equals `value`, which must be there; of
// the first NaN if `value` is one.
template <typename T>
STROP_HD Index place_of(const T* x, Index n, T value) {
  constexpr Index kBlock = 64;
  Index i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    unsigned found = 0;
    for (Index k = 0; k < kBlock; ++k) {
      found |= unsigned(x[i + k] == value) |
               unsigned((x[i + k] != x[i + k]) & (value != value));
    }
    if (found != 0) break;
  }
  while (x[i] != value && (x[i] == x[i] || value == value)) ++i;
  return i;
}

}  // namespace strop::cpu
