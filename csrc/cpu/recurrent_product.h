#pragma once

#include "cpu/simd.h"

// c = a b, or c += a b, for a few rows of a and a b that is packed once and
// used in every step, and for the sums over steps that are gradients by
// weights. Rows of b and c are padded to whole vectors, so nothing is masked.
// An element is one fmadd per k in order on top of what c holds: neither blocks
// of k nor of rows change a bit.

namespace strop::cpu::STROP_ISA {
namespace {

// Sums of a tile: 4 rows by 4 vectors beside 4 of b and one of a in 32
// registers, 4 by 2 in 16.
constexpr Index kTileRows = 4;
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr Index kPanelVectors = 4;
#else
constexpr Index kPanelVectors = 2;
#endif

// Of a panel of b this much stays in L1 while all rows pass.
constexpr Index kPanelBytes = Index{24} << 10;

STROP_HD Index up_to(Index n, Index unit) {
  return (n + unit - 1) / unit * unit;
}

// Rows are padded to whole vectors of every set.
STROP_HD Index padded(Index units) { return up_to(units, 16); }

// Vectors of the panel that begins with so many left: a power of two.
STROP_HD Index panel_vectors(Index left) {
  return left >= kPanelVectors ? kPanelVectors : left >= 2 ? 2 : 1;
}

// b[k][j] at source[k * row + j * col], (depth, n), panel after panel of
// columns, with zeros for the columns from n to its padded width.
template <typename T>
void pack_panels(const T* source, Index row, Index col, Index depth, Index n,
                 T* target) {
  constexpr Index kL = Wide<T>::kLanes;
  for (Index j = 0; j < n;) {
    const Index width = panel_vectors((padded(n) - j) / kL) * kL;
    const Index used = width < n - j ? width : n - j;
    for (Index k = 0; k < depth; ++k) {
      const T* from = source + k * row + j * col;
      for (Index i = 0; i < used; ++i) target[i] = from[i * col];
      for (Index i = used; i < width; ++i) target[i] = 0;
      target += width;
    }
    j += width;
  }
}

// a[i][k] at a + i * a_row + k * a_step, b[k] at b + k * b_step; after `depth`
// of k both jump, and all that `times` times.
template <typename T>
struct Terms {
  const T* a;
  Index a_row, a_step, a_jump;
  const T* b;
  Index b_step, b_jump;
  Index depth, times;
};

template <typename T, int kM, int kV>
void multiply_tile(const Terms<T>& t, T* c, Index c_row, bool add) {
  using V = Wide<T>;
  typename V::Reg sum[kM][kV];
#pragma GCC unroll 4
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kV; ++j) {
      sum[i][j] = add ? V::load(c + i * c_row + j * V::kLanes) : V::zero();
    }
  }
  const T* a = t.a;
  const T* b = t.b;
  for (Index again = t.times; again > 0; --again) {
    for (Index k = t.depth; k > 0; --k) {
      typename V::Reg row[kV];
#pragma GCC unroll 4
      for (int j = 0; j < kV; ++j) row[j] = V::load(b + j * V::kLanes);
#pragma GCC unroll 4
      for (int i = 0; i < kM; ++i) {
        const auto x = V::broadcast(a + i * t.a_row);
#pragma GCC unroll 4
        for (int j = 0; j < kV; ++j) sum[i][j] = V::fmadd(x, row[j], sum[i][j]);
      }
      a += t.a_step;
      b += t.b_step;
    }
    a += t.a_jump;
    b += t.b_jump;
  }
#pragma GCC unroll 4
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kV; ++j) {
      V::store(c + i * c_row + j * V::kLanes, sum[i][j]);
    }
  }
}

template <typename T, int kM>
STROP_HD void multiply_tile(Index vectors, const Terms<T>& t, T* c, Index c_row,
                            bool add) {
  if (vectors == 1) return multiply_tile<T, kM, 1>(t, c, c_row, add);
  if (vectors == 2) return multiply_tile<T, kM, 2>(t, c, c_row, add);
  multiply_tile<T, kM, int(kPanelVectors)>(t, c, c_row, add);
}

// A packed b of (depth, n), of which rows from `first` on are wanted.
template <typename T>
struct Panels {
  const T* data;
  Index depth, n, first;
};

// c = a b, or `add`ed to it, rows c_row apart. t: of a, and how many of b. What
// is not `active`, of 4 rows at a time, is left alone.
template <typename T>
void multiply_rows(Terms<T> t, const Panels<T>& b, T* c, Index c_row,
                   Index rows, const bool* active, bool add) {
  constexpr Index kL = Wide<T>::kLanes;
  const T* a = t.a;
  const Index depth = t.depth;
  const T* panel = b.data;
  for (Index j = 0; j < padded(b.n);) {
    const Index vectors = panel_vectors((padded(b.n) - j) / kL);
    const Index width = vectors * kL;
    // Several sums of one element are not cut.
    const Index block =
        t.times > 1 ? depth : kPanelBytes / (width * Index{sizeof(T)});
    t.b_step = width;
    for (Index k = 0; k < depth; k += block) {
      t.depth = block < depth - k ? block : depth - k;
      t.b = panel + (b.first + k) * width;
      const bool more = add || k > 0;
      for (Index i = 0; i < rows;) {
        T* to = c + i * c_row + j;
        t.a = a + i * t.a_row + k * t.a_step;
        if (rows - i < kTileRows) {
          multiply_tile<T, 1>(vectors, t, to, c_row, more);
          ++i;
          continue;
        }
        if (active == nullptr || active[i / kTileRows]) {
          multiply_tile<T, int(kTileRows)>(vectors, t, to, c_row, more);
        }
        i += kTileRows;
      }
    }
    panel += b.depth * width;
    j += width;
  }
}

// c += a^T b: the sum over k of column i of a by row k of b, whose width is
// whole vectors. `columns` of a are whole tiles.
template <typename T>
__attribute__((noinline)) void add_outer(Terms<T> t, Index columns, Index width,
                                         T* c) {
  constexpr Index kL = Wide<T>::kLanes;
  const T* a = t.a;
  for (Index j = 0; j < width;) {
    const Index vectors = panel_vectors((width - j) / kL);
    for (Index i = 0; i < columns; i += kTileRows) {
      t.a = a + i;
      multiply_tile<T, int(kTileRows)>(vectors, t, c + i * width + j, width,
                                       true);
    }
    t.b += vectors * kL;
    j += vectors * kL;
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
