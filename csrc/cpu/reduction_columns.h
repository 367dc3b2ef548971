#pragma once

#include "kernels/reduction.h"

// Reductions along an axis that is not the last, a tile of columns at a time.
// Four rows are combined before the running values are touched: those stand in
// L1, and loading and storing them would cost as much as the four additions.

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kTile = 512;       // running values: 4 KB
constexpr Index kPlaceTile = 64;   // with their places
constexpr Index kFewColumns = 32;  // up to here the columns of
constexpr Index kChains = 16;      // 16 rows are taken as one long row

template <Reduction R, typename T>
STROP_HD T with(T so_far, T x) {
  if constexpr (R == Reduction::kMax) {
    const T more = so_far >= x ? so_far : x;  // x where x is NaN
    return so_far != so_far ? so_far : more;
  } else {
    return so_far + x;
  }
}

// Squares in double, which they cannot leave; the others as they are, four of
// them added in their own type: half the work of the conversions.
template <Reduction R>
STROP_HD auto term(float x) {
  if constexpr (R == Reduction::kSumOfSquares) {
    return double(x) * double(x);
  } else {
    return x;
  }
}

template <Reduction R>
STROP_HD double term(double x) {
  return R == Reduction::kSumOfSquares ? x * x : x;
}

// so_far[j] takes x[k * stride + j] of `rows` rows.
template <Reduction R, typename T>
STROP_HD void take_rows(const T* x, Index width, Index stride, Index rows,
                        double* __restrict so_far) {
  Index k = 0;
  for (; k + 4 <= rows; k += 4) {
    const T* __restrict a = x + k * stride;
    const T* __restrict b = a + stride;
    const T* __restrict c = b + stride;
    const T* __restrict d = c + stride;
#pragma GCC ivdep
    for (Index j = 0; j < width; ++j) {
      const auto first = with<R>(term<R>(a[j]), term<R>(b[j]));
      const auto second = with<R>(term<R>(c[j]), term<R>(d[j]));
      so_far[j] = with<R>(so_far[j], double(with<R>(first, second)));
    }
  }
  for (; k < rows; ++k) {
    const T* __restrict a = x + k * stride;
#pragma GCC ivdep
    for (Index j = 0; j < width; ++j) {
      so_far[j] = with<R>(so_far[j], double(term<R>(a[j])));
    }
  }
}

// Few columns, many rows: row k goes to chain k mod 16, so that the loops are
// long; the chains are then combined as a tree.
template <Reduction R, typename T>
STROP_HD void take_chains(const T* x, Index inner, Index extent,
                          double* so_far) {
  const Index width = kChains * inner;
  const Index groups = extent / kChains;
  take_rows<R>(x, width, width, groups, so_far);
  take_rows<R>(x + groups * width, extent % kChains * inner, Index{0}, Index{1},
               so_far);
  for (Index half = kChains / 2; half > 0; half /= 2) {
    for (Index j = 0; j < half * inner; ++j) {
      so_far[j] = with<R>(so_far[j], so_far[half * inner + j]);
    }
  }
}

// The columns from `first` of one tile.
template <Reduction R, typename T>
STROP_HD void reduce_columns(const Reduce<T>& a, Index outer, Index first) {
  double so_far[kTile];
  const Index left = a.inner - first;
  const Index width = left < kTile ? left : kTile;
  const bool few = a.inner <= kFewColumns && a.extent >= 4 * kChains;
  const double start = R == Reduction::kMax ? -__builtin_inf() : 0.0;
  const Index used = few ? kChains * width : width;
  for (Index j = 0; j < used; ++j) so_far[j] = start;
  const T* x = a.x + outer * a.extent * a.inner + first;
  if (few) {
    take_chains<R>(x, a.inner, a.extent, so_far);
  } else {
    take_rows<R>(x, width, a.inner, a.extent, so_far);
  }
  double* out = a.out + outer * a.inner + first;
  for (Index j = 0; j < width; ++j) out[j] = so_far[j];
}

// The same for the places of the greatest.
template <typename T>
STROP_HD void place_columns(const ArgMax<T>& a, Index outer, Index first) {
  T best[kPlaceTile];
  Index place[kPlaceTile];
  const Index left = a.inner - first;
  const Index width = left < kPlaceTile ? left : kPlaceTile;
  const T* x = a.x + outer * a.extent * a.inner + first;
  for (Index j = 0; j < width; ++j) {
    best[j] = x[j];
    place[j] = 0;
  }
  for (Index k = 1; k < a.extent; ++k) {
    const T* __restrict row = x + k * a.inner;
#pragma GCC ivdep
    for (Index j = 0; j < width; ++j) {
      const T v = row[j];
      const bool better = (v > best[j]) | ((v != v) & (best[j] == best[j]));
      best[j] = better ? v : best[j];
      place[j] = better ? k : place[j];
    }
  }
  std::int64_t* out = a.out + outer * a.inner + first;
  for (Index j = 0; j < width; ++j) out[j] = place[j];
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
