#pragma once

#include "cpu/simd.h"

// The register tile: a few rows by up to three vectors of out, kept in
// registers over one block of K. Its columns are whole wide vectors and, where
// half of one is enough for the rest, a half: on Zen 4 a wide vector takes two
// half steps, so 40 columns cost 40/48 of the full tile.
//
// The order of an element's sum is part of the contract (matmul.cpp): one fmadd
// per k from zero, then one addition to what the blocks before gave.

namespace strop::cpu::STROP_ISA {
namespace {

// Part of K in which A is read at equal steps.
struct Run {
  Index offset;  // from Tile::a
  Index length;
};

// How A lies: row-major, its columns contiguous, or in runs, whose rows are
// a_stride apart and whose columns are a_step.
enum class Reads { kRows, kColumns, kRuns };

template <typename T>
struct Tile {
  const T* a;
  Index a_stride;  // between rows, or between columns
  const T* b;
  Index b_stride;  // between rows
  T* c;
  Index c_stride;
  const T* bias;  // null: none, or not yet
  Index k;
  int width;  // columns of out, at most those of the tile
  bool add;   // to out; else overwrite it
  bool relu;
  Index a_step = 1;
  const Run* runs = nullptr;  // in place of k
  const Run* runs_end = nullptr;
};

template <typename T>
using TileKernel = void (*)(const Tile<T>&);

// kMasked: the last vector of a row of B may not be read whole.
template <typename T, int kM, int kVectors, bool kHalf, Reads kReads,
          bool kMasked>
void tile(const Tile<T>& t) {
  using V = Wide<T>;
  using H = Half<T>;
  constexpr int kN = kVectors > 0 ? kVectors : 1;
  constexpr int kLast = kVectors - 1;
  typename V::Reg sum[kM][kN];
  typename H::Reg half[kM];
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) sum[i][j] = V::zero();
    if constexpr (kHalf) half[i] = H::zero();
  }
  const int rest = t.width - (kHalf ? kVectors * V::kLanes : kLast * V::kLanes);
  const auto mask = V::first(kHalf ? V::kLanes : rest);
  const auto half_mask = H::first(kHalf ? rest : H::kLanes);

  const T* a = t.a;
  const T* b = t.b;
  const Index a_stride = t.a_stride;
  const Index a_step = kReads == Reads::kRows      ? 1
                       : kReads == Reads::kColumns ? a_stride
                                                   : t.a_step;
  const Index b_stride = t.b_stride;
  const auto at_row = [&](int i) __attribute__((always_inline)) {
    return kReads == Reads::kColumns ? a + i : a + i * a_stride;
  };
  const Run* run = t.runs;
  Index k = t.k;
  do {
    if constexpr (kReads == Reads::kRuns) {
      a = t.a + run->offset;
      k = run->length;
    }
    for (; k > 0; --k) {
      // The side with fewer vectors stays in registers beside the sums.
      if constexpr (kVectors > kM && !kHalf) {
        typename V::Reg x[kM];
#pragma GCC unroll 16
        for (int i = 0; i < kM; ++i) {
          x[i] = V::broadcast(at_row(i));
        }
#pragma GCC unroll 16
        for (int j = 0; j < kVectors; ++j) {
          const T* at = b + j * V::kLanes;
          auto row = kMasked && j == kLast ? V::load(at, mask) : V::load(at);
          if constexpr (kM > 1) hold(row);
#pragma GCC unroll 16
          for (int i = 0; i < kM; ++i) {
            sum[i][j] = V::fmadd(x[i], row, sum[i][j]);
          }
        }
      } else {
        typename V::Reg row[kN];
        typename H::Reg half_row;
#pragma GCC unroll 16
        for (int j = 0; j < kVectors; ++j) {
          row[j] = kMasked && !kHalf && j == kLast
                       ? V::load(b + j * V::kLanes, mask)
                       : V::load(b + j * V::kLanes);
        }
        if constexpr (kHalf) {
          const T* at = b + kVectors * V::kLanes;
          half_row = kMasked ? H::load(at, half_mask) : H::load(at);
        }
#pragma GCC unroll 16
        for (int i = 0; i < kM; ++i) {
          const T* at = at_row(i);
          const auto x = V::broadcast(at);
#pragma GCC unroll 16
          for (int j = 0; j < kVectors; ++j) {
            sum[i][j] = V::fmadd(x, row[j], sum[i][j]);
          }
          if constexpr (kHalf) {
            half[i] = H::fmadd(H::broadcast(at), half_row, half[i]);
          }
        }
      }
      a += a_step;
      b += b_stride;
    }
  } while (kReads == Reads::kRuns && ++run != t.runs_end);

  T* c = t.c;
  const Index c_stride = t.c_stride;
  if (t.add) {
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const T* at = c + i * c_stride;
#pragma GCC unroll 16
      for (int j = 0; j < kVectors; ++j) {
        const auto old = !kHalf && j == kLast
                             ? V::load(at + j * V::kLanes, mask)
                             : V::load(at + j * V::kLanes);
        sum[i][j] = V::add(old, sum[i][j]);
      }
      if constexpr (kHalf) {
        half[i] =
            H::add(H::load(at + kVectors * V::kLanes, half_mask), half[i]);
      }
    }
  }
  if (t.bias != nullptr) {
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) {
      const auto bias = !kHalf && j == kLast
                            ? V::load(t.bias + j * V::kLanes, mask)
                            : V::load(t.bias + j * V::kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kM; ++i) sum[i][j] = V::add(sum[i][j], bias);
    }
    if constexpr (kHalf) {
      const auto bias = H::load(t.bias + kVectors * V::kLanes, half_mask);
#pragma GCC unroll 16
      for (int i = 0; i < kM; ++i) half[i] = H::add(half[i], bias);
    }
  }
  if (t.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 16
      for (int j = 0; j < kVectors; ++j) sum[i][j] = V::relu(sum[i][j]);
      if constexpr (kHalf) half[i] = H::relu(half[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
    T* at = c + i * c_stride;
#pragma GCC unroll 16
    for (int j = 0; j < kVectors; ++j) {
      if (!kHalf && j == kLast && rest < V::kLanes) {
        V::store(at + j * V::kLanes, sum[i][j], mask);
      } else {
        V::store(at + j * V::kLanes, sum[i][j]);
      }
    }
    if constexpr (kHalf) {
      T* last = at + kVectors * V::kLanes;
      if (rest < H::kLanes) {
        H::store(last, half[i], half_mask);
      } else {
        H::store(last, half[i]);
      }
    }
  }
}

// Tiles by their width in half vectors. AVX2 holds 12 sums beside two vectors
// of B and one of A in 16 registers, AVX-512 and NEON 24 of 32; SSE2 needs a
// register more for the product.
#if defined(__AVX512F__)
constexpr int kRowsOfTile = 8;
constexpr int kWidest = 3;
#elif defined(__AVX2__)
constexpr int kRowsOfTile = 6;
constexpr int kWidest = 2;
#elif defined(__aarch64__)
constexpr int kRowsOfTile = 8;
constexpr int kWidest = 3;
#else
constexpr int kRowsOfTile = 4;
constexpr int kWidest = 2;
#endif

template <typename T>
constexpr int kColumnsOfTile = kWidest * Wide<T>::kLanes;

// Rows of A lie this far apart in a packed panel.
constexpr int kPackedRows = kRowsOfTile <= 4 ? 4 : 8;

template <typename T>
STROP_HD int shape_of(int width) {
  constexpr int kUnit = Wide<T>::kLanes / 2;
  const int units = (width + kUnit - 1) / kUnit;
  return kHasHalf ? units : (units + 1) / 2 * 2;
}

template <typename T, int kShape, Reads kReads, bool kMasked>
struct TileRow {
  static constexpr int kV = kShape / 2;
  static constexpr bool kH = kShape % 2 != 0;
  static constexpr TileKernel<T> by_rows[9] = {
      nullptr,
      tile<T, 1, kV, kH, kReads, kMasked>,
      tile<T, 2, kV, kH, kReads, kMasked>,
      tile<T, 3, kV, kH, kReads, kMasked>,
      tile<T, 4, kV, kH, kReads, kMasked>,
#if defined(__AVX2__) || defined(__aarch64__)
      tile<T, 5, kV, kH, kReads, kMasked>,
      tile<T, 6, kV, kH, kReads, kMasked>,
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
      tile<T, 7, kV, kH, kReads, kMasked>,
      tile<T, 8, kV, kH, kReads, kMasked>,
#endif
  };
};

template <typename T, Reads kReads, bool kMasked>
STROP_HD const TileKernel<T>* tiles_of(int shape) {
  switch (shape) {
#if defined(__AVX2__)
    case 1:
      return TileRow<T, 1, kReads, kMasked>::by_rows;
    case 3:
      return TileRow<T, 3, kReads, kMasked>::by_rows;
#endif
    case 2:
      return TileRow<T, 2, kReads, kMasked>::by_rows;
#if defined(__AVX512F__)
    case 5:
      return TileRow<T, 5, kReads, kMasked>::by_rows;
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
    case 6:
      return TileRow<T, 6, kReads, kMasked>::by_rows;
#endif
    default:
      return TileRow<T, 4, kReads, kMasked>::by_rows;
  }
}

// `whole`: every row of B may be read to the width of the shape.
template <typename T>
STROP_HD const TileKernel<T>* tiles_of(int shape, bool rows, bool whole) {
  if constexpr (!kFreeMasks) {
    if (whole) {
      return rows ? tiles_of<T, Reads::kRows, false>(shape)
                  : tiles_of<T, Reads::kColumns, false>(shape);
    }
  }
  return rows ? tiles_of<T, Reads::kRows, true>(shape)
              : tiles_of<T, Reads::kColumns, true>(shape);
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
