#pragma once

#include "cpu/matmul_pack.h"
#include "cpu/matmul_product.h"
#include "cpu/matmul_tile.h"

// A rectangle of out by register tiles, in blocks of K, with either operand
// read as it lies or packed first. Loops from the outside: columns that fit L3,
// blocks of K, rows that fit L2, tile columns, tile rows (Goto and van de Geijn
// 2008).

namespace strop::cpu::STROP_ISA {
namespace {

// How to go about a product; none of it changes a bit of the result.
struct Plan {
  bool pack_a;
  bool pack_b;
  Index rows;     // of A in L2 at a time
  Index columns;  // of B at a time
  Index depth;    // of K at a time, whole blocks
};

// Elements of one row of a packed block of B.
template <typename T>
STROP_HD Index packed_row(Index columns) {
  constexpr Index kW = kColumnsOfTile<T>;
  return columns / kW * panel_stride<T>(kW) + panel_stride<T>(columns % kW);
}

template <typename T>
STROP_HD Index packed_a(const Plan& plan) {
  if (!plan.pack_a) return 0;
  return round_up(
      (plan.rows + kRowsOfTile - 1) / kRowsOfTile * kPackedRows * plan.depth +
          64,
      64);
}

template <typename T>
STROP_HD Index packed_b(const Plan& plan) {
  if (!plan.pack_b) return 0;
  return round_up(packed_row<T>(plan.columns) * plan.depth, 64);
}

template <typename T>
void pack_rows(const Product<T>& p, Range rows, Range depth, T* target) {
  const Index length = depth.end - depth.begin;
  const T* a = p.a.data + depth.begin * p.a.col;
  Index i = rows.begin;
  if (p.a.col != 1) {
    const Index whole = least(rows.end, p.m - kPackedRows + 1) - i;
    const Index panels = most(whole + kRowsOfTile - 1, 0) / kRowsOfTile;
    copy_panels<kPackedRows, kRowsOfTile>(a + i * p.a.row, p.a.col, length,
                                          panels, target, kPackedRows);
    i += panels * kRowsOfTile;
    target += panels * length * kPackedRows;
  }
  for (; i < rows.end; i += kRowsOfTile) {
    // Rows beyond the tile's are packed too, if there are any, since that is
    // one square instead of a slow edge; nobody reads them.
    const int width = int(least(kPackedRows, p.m - i));
    if (p.a.col == 1) {
      transpose_panel(a + i * p.a.row, p.a.row, length, width, width, target,
                      kPackedRows);
    } else {
      copy_panel<kPackedRows>(a + i * p.a.row, p.a.col, length, width, width,
                              target, kPackedRows);
    }
    target += length * kPackedRows;
  }
}

template <typename T>
void pack_columns(const Product<T>& p, Range columns, Range depth, T* target) {
  constexpr Index kW = kColumnsOfTile<T>;
  const Index length = depth.end - depth.begin;
  const T* b = p.b.data + depth.begin * p.b.row;
  Index j = columns.begin;
  if (p.b.col == 1 && kW == panel_stride<T>(kW)) {
    const Index panels = (columns.end - j) / kW;
    copy_panels<kW, kW>(b + j, p.b.row, length, panels, target, kW);
    j += panels * kW;
    target += panels * length * kW;
  }
  for (; j < columns.end; j += kW) {
    const int width = int(least(kW, columns.end - j));
    const Index stride = panel_stride<T>(width);
    if (p.b.col == 1) {
      copy_panel<kW>(b + j, p.b.row, length, width, int(stride), target,
                     stride);
    } else {
      transpose_panel(b + j * p.b.col, p.b.col, length, width, int(stride),
                      target, stride);
    }
    target += length * stride;
  }
}

// The tiles of one panel: up to kColumnsOfTile columns from j, rows of one
// block, the blocks of K in `depth`.
template <typename T>
STROP_HD void panel(const Product<T>& p, const Plan& plan, Range rows, Index j,
                    int width, Range depth, Index block, const T* packed_a,
                    const T* packed_b, Index b_row, Index before) {
  const int shape = shape_of<T>(width);
  const bool by_rows = !plan.pack_a && p.a.col == 1;
  const bool whole = plan.pack_b || shape * (Wide<T>::kLanes / 2) == width;
  const TileKernel<T>* kernels = tiles_of<T>(shape, by_rows, whole);
  const Index stride = panel_stride<T>(width);
  Tile<T> t;
  t.a_stride = plan.pack_a ? kPackedRows : by_rows ? p.a.row : p.a.col;
  t.b_stride = plan.pack_b ? stride : p.b.row;
  t.c_stride = p.c_stride;
  t.width = width;
  for (Index i = rows.begin; i < rows.end; i += kRowsOfTile) {
    const int count = int(least(kRowsOfTile, rows.end - i));
    t.c = p.c + i * p.c_stride + j;
    for (Index k = depth.begin; k < depth.end; k += block) {
      t.k = least(block, depth.end - k);
      t.a = plan.pack_a
                ? packed_a + (i - rows.begin) / kRowsOfTile * kPackedRows * t.k
                : p.a.data + i * p.a.row + k * p.a.col;
      t.b = plan.pack_b ? packed_b + (k - depth.begin) * b_row + before * t.k
                        : p.b.data + k * p.b.row + j;
      const bool last = k + t.k == p.k;
      t.add = k != 0;
      t.bias = last && p.bias != nullptr ? p.bias + j : nullptr;
      t.relu = last && p.activation == Activation::kRelu;
      kernels[count](t);
    }
  }
  if (depth.end == p.k) {
    activate_rows(p.activation, p.c + rows.begin * p.c_stride + j, p.c_stride,
                  rows.end - rows.begin, width);
  }
}

// Up to four rows of A against more columns than a full tile has, for the same
// number of sums: B is read in longer runs, and one row has enough sums in
// flight to hide the latency of fmadd.
constexpr Index kWideRows = 4;
constexpr int kSumRegisters = kRowsOfTile * kWidest;

template <int kM>
constexpr int kWideVectors =
    kM == 1 ? kSumRegisters * 2 / 3 : kSumRegisters / kM;

template <typename T, int kM>
STROP_HD void wide_tile(int vectors, const Tile<T>& t) {
#define STROP_WIDE(n)                                      \
  case n:                                                  \
    if constexpr (n <= kWideVectors<kM>) {                 \
      return tile<T, kM, n, false, Reads::kRows, true>(t); \
    }                                                      \
    break;
  switch (vectors) {
    STROP_WIDE(1)
    STROP_WIDE(2)
    STROP_WIDE(3)
    STROP_WIDE(4)
    STROP_WIDE(5)
    STROP_WIDE(6)
    STROP_WIDE(7)
    STROP_WIDE(8)
    STROP_WIDE(9)
    STROP_WIDE(10)
    STROP_WIDE(11)
    STROP_WIDE(12)
    STROP_WIDE(13)
    STROP_WIDE(14)
    STROP_WIDE(15)
    STROP_WIDE(16)
  }
#undef STROP_WIDE
}

template <typename T, int kM>
void wide(const Product<T>& p, Range columns) {
  constexpr Index kL = Wide<T>::kLanes;
  const Index block = block_of<T>(p.k);
  const Index vectors = (columns.end - columns.begin + kL - 1) / kL;
  const Index panels = (vectors + kWideVectors<kM> - 1) / kWideVectors<kM>;
  const Index width = (vectors + panels - 1) / panels * kL;
  Tile<T> t;
  t.a_stride = p.a.row;
  t.b_stride = p.b.row;
  t.c_stride = p.c_stride;
  for (Index j = columns.begin; j < columns.end; j += width) {
    t.width = int(least(width, columns.end - j));
    t.c = p.c + j;
    for (Index k = 0; k < p.k; k += block) {
      t.k = least(block, p.k - k);
      t.a = p.a.data + k;
      t.b = p.b.data + k * p.b.row + j;
      const bool last = k + t.k == p.k;
      t.add = k != 0;
      t.bias = last && p.bias != nullptr ? p.bias + j : nullptr;
      t.relu = last && p.activation == Activation::kRelu;
      wide_tile<T, kM>(int((t.width + kL - 1) / kL), t);
    }
    activate_rows(p.activation, t.c, p.c_stride, kM, t.width);
  }
}

template <typename T>
void wide(const Product<T>& p, Range columns) {
  switch (p.m) {
    case 1:
      return wide<T, 1>(p, columns);
    case 2:
      return wide<T, 2>(p, columns);
    case 3:
      return wide<T, 3>(p, columns);
    default:
      return wide<T, 4>(p, columns);
  }
}

// Columns [j_begin, j_end) of a block of rows, B packed at b_memory if it is.
template <typename T>
void row_block(const Product<T>& p, const Plan& plan, Range rows, Range columns,
               Range depth, T* a_memory, const T* b_memory) {
  constexpr Index kW = kColumnsOfTile<T>;
  const Index block = block_of<T>(p.k);
  const Index b_row = packed_row<T>(columns.end - columns.begin);
  if (plan.pack_a) pack_rows(p, rows, depth, a_memory);
  Index before = 0;  // within a packed block of K the panels follow each other
  for (Index j = columns.begin; j < columns.end; j += kW) {
    panel(p, plan, rows, j, int(least(kW, columns.end - j)), depth, block,
          a_memory, b_memory, b_row, before);
    before += panel_stride<T>(kW);
  }
}

// A rectangle of out on one thread.
template <typename T>
void blocks(const Product<T>& p, const Plan& plan, Range rows, Range columns,
            T* memory) {
  if (p.m <= kWideRows && !plan.pack_a && !plan.pack_b && p.a.col == 1) {
    return wide(p, columns);
  }
  const Index block = block_of<T>(p.k);
  T* a_memory = memory;
  T* b_memory = memory + packed_a<T>(plan);
  for (Index jc = columns.begin; jc < columns.end; jc += plan.columns) {
    const Range part{jc, least(jc + plan.columns, columns.end)};
    const Index b_row = packed_row<T>(part.end - part.begin);
    for (Index kc = 0; kc < p.k; kc += plan.depth) {
      const Range depth{kc, least(kc + plan.depth, p.k)};
      for (Index k = kc; plan.pack_b && k < depth.end; k += block) {
        pack_columns(p, part, {k, least(k + block, depth.end)},
                     b_memory + (k - kc) * b_row);
      }
      for (Index ic = rows.begin; ic < rows.end; ic += plan.rows) {
        row_block(p, plan, {ic, least(ic + plan.rows, rows.end)}, part, depth,
                  a_memory, b_memory);
      }
    }
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
