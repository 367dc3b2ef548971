#pragma once

#include "cpu/matmul_product.h"

// The two shapes that memory bounds, because each element of the large operand
// is used a few times only: few rows (a vector times a matrix) and few columns
// (a matrix times a vector). Both read the large operand once, in long runs.

namespace strop::cpu::STROP_ISA {
namespace {

// ---- few columns -----------------------------------------------------------

constexpr Index kFewColumns = 4;

// Here a sum is 16 virtual lanes of float, 8 of double, over the whole of K,
// then a tree: the one exception to the order of the register tile, by shape
// alone. Vectors along K read A as it lies; vectors along M would have to
// transpose it.
template <typename T>
struct Lanes {
  using V = Wide<T>;
  static constexpr int kVirtual = 64 / sizeof(T);
  static constexpr int kParts = kVirtual / V::kLanes;
};

template <typename T>
STROP_HD T tree(const typename Wide<T>::Reg* parts) {
  using V = Wide<T>;
  constexpr int kVirtual = Lanes<T>::kVirtual;
  T lanes[kVirtual];
#pragma GCC unroll 16
  for (int i = 0; i < Lanes<T>::kParts; ++i) {
    V::store(lanes + i * V::kLanes, parts[i]);
  }
#pragma GCC unroll 16
  for (int width = kVirtual / 2; width > 0; width /= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

// The dot products of kRows rows of A with kColumns columns of B, which lie at
// b + j * b_stride and are zero from K to the next multiple of the lanes.
template <typename T, int kRows, int kColumns>
STROP_HD void dots(const T* a, Index a_stride, const T* b, Index b_stride,
                   Index depth, T* c, Index c_stride) {
  using V = Wide<T>;
  constexpr int kParts = Lanes<T>::kParts;
  constexpr int kVirtual = Lanes<T>::kVirtual;
  typename V::Reg sum[kRows][kColumns][kParts];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) {
#pragma GCC unroll 16
      for (int s = 0; s < kParts; ++s) sum[i][j][s] = V::zero();
    }
  }
  Index k = 0;
  for (; k + kVirtual <= depth; k += kVirtual) {
#pragma GCC unroll 16
    for (int s = 0; s < kParts; ++s) {
      typename V::Reg y[kColumns];
#pragma GCC unroll 16
      for (int j = 0; j < kColumns; ++j) {
        y[j] = V::load(b + j * b_stride + k + s * V::kLanes);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const auto x = V::load(a + i * a_stride + k + s * V::kLanes);
#pragma GCC unroll 16
        for (int j = 0; j < kColumns; ++j) {
          sum[i][j][s] = V::fmadd(x, y[j], sum[i][j][s]);
        }
      }
    }
  }
  if (k < depth) {
#pragma GCC unroll 16
    for (int s = 0; s < kParts; ++s) {
      const Index left = depth - k - s * V::kLanes;
      const int lanes = left < 0 ? 0 : left > V::kLanes ? V::kLanes : int(left);
      const auto mask = V::first(lanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const auto x = V::load(a + i * a_stride + k + s * V::kLanes, mask);
#pragma GCC unroll 16
        for (int j = 0; j < kColumns; ++j) {
          const auto y = V::load(b + j * b_stride + k + s * V::kLanes);
          sum[i][j][s] = V::fmadd(x, y, sum[i][j][s]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) {
      c[i * c_stride + j] = tree<T>(sum[i][j]);
    }
  }
}

template <typename T>
Index few_columns_scratch(const Product<T>& p) {
  return p.n * round_up(p.k, Lanes<T>::kVirtual);
}

template <typename T>
void transpose_columns(const Product<T>& p, T* columns) {
  const Index stride = round_up(p.k, Lanes<T>::kVirtual);
  for (Index j = 0; j < p.n; ++j) {
    T* __restrict column = columns + j * stride;
    for (Index k = 0; k < p.k; ++k) {
      column[k] = p.b.data[k * p.b.row + j * p.b.col];
    }
    for (Index k = p.k; k < stride; ++k) column[k] = 0;
  }
}

template <typename T, int kColumns>
void few_columns(const Product<T>& p, Range rows, const T* columns) {
  constexpr int kRows = 4;
  const Index stride = round_up(p.k, Lanes<T>::kVirtual);
  for (Index i = rows.begin; i < rows.end;) {
    const T* a = p.a.data + i * p.a.row;
    T* c = p.c + i * p.c_stride;
    const bool full = i + kRows <= rows.end;
    if (full) {
      dots<T, kRows, kColumns>(a, p.a.row, columns, stride, p.k, c, p.c_stride);
    } else {
      dots<T, 1, kColumns>(a, p.a.row, columns, stride, p.k, c, p.c_stride);
    }
    const Index done = full ? kRows : 1;
    for (Index r = 0; r < done; ++r) {
      finish_row(p, c + r * p.c_stride, 0, kColumns);
    }
    i += done;
  }
}

template <typename T>
void few_columns(const Product<T>& p, Range rows, const T* columns) {
  switch (p.n) {
    case 1:
      return few_columns<T, 1>(p, rows, columns);
    case 2:
      return few_columns<T, 2>(p, rows, columns);
    case 3:
      return few_columns<T, 3>(p, rows, columns);
    default:
      return few_columns<T, 4>(p, rows, columns);
  }
}

// ---- few rows --------------------------------------------------------------

constexpr Index kFewRows = 4;
constexpr Index kRun = 1024;  // columns of out at a time: their sums stay in L1

// sum[i][j] = fmadd over kDepth rows of B, from zero where `fresh`.
template <typename T, int kRows, int kDepth>
STROP_HD void sweep(const T* a, Index a_row, Index a_col, const T* b,
                    Index b_row, Index columns, bool fresh, T* sum) {
  using V = Wide<T>;
  typename V::Reg x[kRows][kDepth];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int k = 0; k < kDepth; ++k) {
      x[i][k] = V::broadcast(a + i * a_row + k * a_col);
    }
  }
  const auto mask = V::first(int(columns % V::kLanes));
  for (Index j = 0; j < columns; j += V::kLanes) {
    const bool whole = j + V::kLanes <= columns;
    typename V::Reg y[kDepth];
#pragma GCC unroll 16
    for (int k = 0; k < kDepth; ++k) {
      const T* at = b + k * b_row + j;
      y[k] = whole ? V::load(at) : V::load(at, mask);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      T* at = sum + i * kRun + j;
      auto s = fresh ? V::zero() : V::load(at);
#pragma GCC unroll 16
      for (int k = 0; k < kDepth; ++k) s = V::fmadd(x[i][k], y[k], s);
      V::store(at, s);
    }
  }
}

template <typename T, int kRows>
void few_rows(const Product<T>& p, Range range) {
  constexpr int kDepth = kRows <= 2 ? 8 : 4;
  const Index block = block_of<T>(p.k);
  alignas(64) T sum[kRows * kRun];
  for (Index n = range.begin; n < range.end; n += kRun) {
    const Index columns = least(kRun, range.end - n);
    for (Index begin = 0; begin < p.k; begin += block) {
      const Index end = least(begin + block, p.k);
      Index k = begin;
      for (; k + kDepth <= end; k += kDepth) {
        sweep<T, kRows, kDepth>(p.a.data + k * p.a.col, p.a.row, p.a.col,
                                p.b.data + k * p.b.row + n, p.b.row, columns,
                                k == begin, sum);
      }
      for (; k < end; ++k) {
        sweep<T, kRows, 1>(p.a.data + k * p.a.col, p.a.row, p.a.col,
                           p.b.data + k * p.b.row + n, p.b.row, columns,
                           k == begin, sum);
      }
      for (int i = 0; i < kRows; ++i) {
        T* c = p.c + i * p.c_stride + n;
        const T* s = sum + i * kRun;
        if (begin == 0) {
          for (Index j = 0; j < columns; ++j) c[j] = s[j];
        } else {
          for (Index j = 0; j < columns; ++j) c[j] += s[j];
        }
      }
    }
    for (int i = 0; i < kRows; ++i) {
      finish_row(p, p.c + i * p.c_stride + n, n, columns);
    }
  }
}

template <typename T>
void few_rows(const Product<T>& p, Range range) {
  switch (p.m) {
    case 1:
      return few_rows<T, 1>(p, range);
    case 2:
      return few_rows<T, 2>(p, range);
    case 3:
      return few_rows<T, 3>(p, range);
    default:
      return few_rows<T, 4>(p, range);
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
