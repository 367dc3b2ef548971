#pragma once

#include "cpu/channels.h"
#include "kernels/layer_norm.h"

// Sums over rows of layer normalization, several rows at a time: within a row
// every step waits for the one before, from the sum to the square root.

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kBlock = 2048;  // elements whose sums are in lanes
// Rows whose sums are under way at once: as many as fit into the registers.
constexpr int kTogether = kVectorBytes == 64 ? 4 : kVectorBytes == 32 ? 2 : 1;

template <typename T>
struct Sums {
  Lanes<T> first, second;
};

// For each of some rows the sums over n elements of both terms that
// term(row, i, left) gives, in double.
template <typename T, typename F>
STROP_HD void two_sums(Index n, double (&first)[kTogether],
                       double (&second)[kTogether], const F& term) {
  constexpr int K = kTogether;
  for (int k = 0; k < K; ++k) first[k] = second[k] = 0;
  for (Index begin = 0; begin < n; begin += kBlock) {
    const Index end = begin + kBlock < n ? begin + kBlock : n;
    Sums<T> sums[K] = {};
    const auto add = [&](Index i, Index left) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) {
        const Sums<T> more = term(k, i, left);
        sums[k].first = sums[k].first + more.first;
        sums[k].second = sums[k].second + more.second;
      }
    };
    Index i = begin;
    for (; i + kLanes <= end; i += kLanes) add(i, kLanes);
    if (i < end) add(i, end - i);
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) {
      first[k] += add_lanes(sums[k].first);
      second[k] += add_lanes(sums[k].second);
    }
  }
}

// A number in the middle of a row: the mean of a 64th of it. If that lies far
// from the rest it has its share in the variance, which cancellation then makes
// less exact by a factor of 64 at most.
template <typename T>
STROP_HD T middle_of(const T* x, Index n) {
  if (n <= 64) return x[0];
  const Index part = (n / 64 + kLanes - 1) / kLanes * kLanes;
  Lanes<T> sum{};
  for (Index i = 0; i < part; i += kLanes) {
    sum = sum + load_lanes(x + i, kLanes, T(0));
  }
  return T(add_lanes(sum) / double(part));
}

// Rows past the last are the last once more: no code is needed for fewer.
STROP_HD Index at_most(Index row, Index last) {
  return row < last ? row : last;
}

// Mean and variance of some rows, from the distances from their middles.
template <typename T>
STROP_HD void moments(const LayerNorm<T>& a, Index row, Index last) {
  const Index n = a.width;
  const double share = 1.0 / double(n);
  const T* x[kTogether];
  T middle[kTogether];
  for (int k = 0; k < kTogether; ++k) {
    x[k] = a.x + at_most(row + k, last) * n;
    middle[k] = middle_of(x[k], n);
  }
  double sum[kTogether], square[kTogether];
  two_sums<T>(n, sum, square,
              [&](int k, Index i, Index left) __attribute__((always_inline)) {
                const Lanes<T> apart =
                    load_lanes(x[k] + i, left, middle[k]) - spread(middle[k]);
                return Sums<T>{apart, apart * apart};
              });
  for (int k = 0; k < kTogether; ++k) {
    const double each = sum[k] * share;
    const double rest = square[k] * share - each * each;
    const Index at = at_most(row + k, last);
    a.mean[at] = double(middle[k]) + each;
    a.variance[at] = rest < 0 ? 0 : rest;
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
