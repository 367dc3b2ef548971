#pragma once

#include "cpu/simd.h"

// c = a b, or c += a b, for a few rows of a and a square b that is packed once
// and used in every step. Rows of a and c are padded to whole vectors, so
// nothing is masked. An element is one fmadd per k in order on top of what c
// holds: neither blocks of k nor of rows change a bit.

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

// Rows are padded to whole vectors of every set.
STROP_HD Index padded(Index units) { return (units + 15) / 16 * 16; }

// Vectors of the panel that begins with so many left: a power of two.
STROP_HD Index panel_vectors(Index left) {
  return left >= kPanelVectors ? kPanelVectors : left >= 2 ? 2 : 1;
}

// b[k][j] at source[k * row + j * col], (n, n), panel after panel of columns,
// with zeros for the columns from n to its padded width.
template <typename T>
void pack_square(const T* source, Index row, Index col, Index n, T* target) {
  constexpr Index kL = Wide<T>::kLanes;
  for (Index j = 0; j < n;) {
    const Index width = panel_vectors((padded(n) - j) / kL) * kL;
    const Index used = width < n - j ? width : n - j;
    for (Index k = 0; k < n; ++k) {
      const T* from = source + k * row + j * col;
      for (Index i = 0; i < used; ++i) target[i] = from[i * col];
      for (Index i = used; i < width; ++i) target[i] = 0;
      target += width;
    }
    j += width;
  }
}

template <typename T, int kM, int kV>
void multiply_tile(const T* a, const T* b, Index depth, T* c, Index stride,
                   bool add) {
  using V = Wide<T>;
  typename V::Reg sum[kM][kV];
#pragma GCC unroll 4
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kV; ++j) {
      sum[i][j] = add ? V::load(c + i * stride + j * V::kLanes) : V::zero();
    }
  }
  for (Index k = 0; k < depth; ++k) {
    typename V::Reg row[kV];
#pragma GCC unroll 4
    for (int j = 0; j < kV; ++j) row[j] = V::load(b + j * V::kLanes);
#pragma GCC unroll 4
    for (int i = 0; i < kM; ++i) {
      const auto x = V::broadcast(a + i * stride + k);
#pragma GCC unroll 4
      for (int j = 0; j < kV; ++j) sum[i][j] = V::fmadd(x, row[j], sum[i][j]);
    }
    b += kV * V::kLanes;
  }
#pragma GCC unroll 4
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kV; ++j) {
      V::store(c + i * stride + j * V::kLanes, sum[i][j]);
    }
  }
}

template <typename T, int kM>
STROP_HD void multiply_tile(Index vectors, const T* a, const T* b, Index depth,
                            T* c, Index stride, bool add) {
  if (vectors == 1) return multiply_tile<T, kM, 1>(a, b, depth, c, stride, add);
  if (vectors == 2) return multiply_tile<T, kM, 2>(a, b, depth, c, stride, add);
  multiply_tile<T, kM, int(kPanelVectors)>(a, b, depth, c, stride, add);
}

// `add` to c, or overwrite it. `rows` is 1 or whole tiles; those that are not
// `active` are left alone.
template <typename T>
void multiply_rows(const T* a, const T* b, T* c, Index rows, Index n,
                   const bool* active, bool add) {
  constexpr Index kL = Wide<T>::kLanes;
  const Index stride = padded(n);
  for (Index j = 0; j < stride;) {
    const Index vectors = panel_vectors((stride - j) / kL);
    const Index width = vectors * kL;
    const Index block = kPanelBytes / (width * Index{sizeof(T)});
    for (Index k = 0; k < n; k += block) {
      const Index depth = block < n - k ? block : n - k;
      const T* from = b + k * width;
      if (rows == 1) {
        multiply_tile<T, 1>(vectors, a + k, from, depth, c + j, stride,
                            add || k > 0);
        continue;
      }
      for (Index i = 0; i < rows; i += kTileRows) {
        if (!active[i / kTileRows]) continue;
        multiply_tile<T, int(kTileRows)>(vectors, a + i * stride + k, from,
                                         depth, c + i * stride + j, stride,
                                         add || k > 0);
      }
    }
    b += n * width;
    j += width;
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
