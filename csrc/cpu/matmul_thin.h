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

// The 16 bytes that are left of a sum's lanes when their upper halves have been
// added to the lower ones.
template <typename T>
STROP_HD typename Narrow<T>::Reg folded(const typename Wide<T>::Reg* parts) {
  using V = Wide<T>;
  constexpr int kParts = Lanes<T>::kParts;
  if constexpr (kParts == 1) {
    return V::fold(parts[0]);
  } else if constexpr (kParts == 2) {
    return V::fold(V::add(parts[0], parts[1]));
  } else {
    return V::add(V::add(parts[0], parts[2]), V::add(parts[1], parts[3]));
  }
}

// The dot products of kRows rows of A with kColumns columns of B, which lie at
// b + j * b_stride and are zero from K to the next multiple of the lanes; out
// is contiguous.
template <typename T, int kRows, int kColumns>
STROP_HD void dots(const T* a, Index a_stride, const T* b, Index b_stride,
                   Index depth, T* c) {
  using V = Wide<T>;
  using N = Narrow<T>;
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
  constexpr int kSums = kRows * kColumns;
#pragma GCC unroll 16
  for (int at = 0; at < kSums; at += N::kLanes) {
    typename N::Reg four[N::kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < N::kLanes; ++i) {
      const int from = at + i < kSums ? at + i : at;
      four[i] = folded<T>(sum[from / kColumns][from % kColumns]);
    }
    if (at + N::kLanes <= kSums) {
      N::store(c + at, N::sums(four));
    } else {
      T lanes[N::kLanes];
      N::store(lanes, N::sums(four));
      for (int i = 0; at + i < kSums; ++i) c[at + i] = lanes[i];
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
  T* c = p.c + rows.begin * kColumns;
  const T* a = p.a.data + rows.begin * p.a.row;
  Index i = rows.begin;
  for (; i + kRows <= rows.end; i += kRows) {
    dots<T, kRows, kColumns>(a, p.a.row, columns, stride, p.k, c);
    a += kRows * p.a.row;
    c += kRows * kColumns;
  }
  for (; i < rows.end; ++i) {
    dots<T, 1, kColumns>(a, p.a.row, columns, stride, p.k, c);
    a += p.a.row;
    c += kColumns;
  }
  if (p.bias == nullptr && p.activation == Activation::kLinear) return;
  if (kColumns == 1) {
    Product<T> all = p;
    all.bias_stride = 0;
    finish_row(all, p.c + rows.begin, 0, rows.end - rows.begin);
    return;
  }
  for (i = rows.begin; i < rows.end; ++i) {
    finish_row(p, p.c + i * kColumns, 0, kColumns);
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

// B passes through once, eight rows at a time in runs of many columns, and the
// unfinished sums wait in cache: the register tile would read 192 bytes here
// and there, at distances that fall into the same lines of L1 and L2.
constexpr Index kFewRows = 16;
constexpr Index kGroup = 8;

// sum[i][j] += fmadds over kDepth rows of B, or from zero where `fresh`. A is
// packed, kFewRows values per k.
template <typename T, int kRows, int kDepth>
STROP_HD void sweep(const T* a, const T* b, Index b_row, Index columns,
                    bool fresh, T* sum, Index sum_row) {
  using V = Wide<T>;
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
      T* at = sum + i * sum_row + j;
      auto s = fresh ? V::zero() : V::load(at);
#pragma GCC unroll 16
      for (int k = 0; k < kDepth; ++k) {
        s = V::fmadd(V::broadcast(a + k * kFewRows + i), y[k], s);
      }
      V::store(at, s);
    }
  }
}

template <typename T, int kDepth>
STROP_HD void sweep(Index rows, const T* a, const T* b, Index b_row,
                    Index columns, bool fresh, T* sum, Index sum_row) {
#define STROP_SWEEP(n) \
  case n:              \
    return sweep<T, n, kDepth>(a, b, b_row, columns, fresh, sum, sum_row);
  switch (rows) {
    STROP_SWEEP(1)
    STROP_SWEEP(2)
    STROP_SWEEP(3)
    STROP_SWEEP(4)
    STROP_SWEEP(5)
    STROP_SWEEP(6)
    STROP_SWEEP(7)
    STROP_SWEEP(8)
  }
#undef STROP_SWEEP
}

template <typename T>
void few_rows(const Product<T>& p, Range range) {
  constexpr Index kDepth = 8;
  constexpr Index kSums = 4096;  // half of L1
  const Index block = block_of<T>(p.k);
  alignas(64) T packed[384 * kFewRows];
  alignas(64) T sum[kSums];
  const Index groups = (p.m + kGroup - 1) / kGroup;
  const Index each = (p.m + groups - 1) / groups;
  const Index run = kSums / p.m / 64 * 64;
  for (Index begin = 0; begin < p.k; begin += block) {
    const Index end = least(begin + block, p.k);
    for (Index k = begin; k < end; ++k) {
      for (Index i = 0; i < p.m; ++i) {
        packed[(k - begin) * kFewRows + i] =
            p.a.data[i * p.a.row + k * p.a.col];
      }
    }
    for (Index n = range.begin; n < range.end; n += run) {
      const Index columns = least(run, range.end - n);
      for (Index k = begin; k < end;) {
        const T* b = p.b.data + k * p.b.row + n;
        const T* a = packed + (k - begin) * kFewRows;
        const bool deep = k + kDepth <= end;
        for (Index i = 0; i < p.m; i += each) {
          const Index rows = least(each, p.m - i);
          if (deep) {
            sweep<T, kDepth>(rows, a + i, b, p.b.row, columns, k == begin,
                             sum + i * run, run);
          } else {
            sweep<T, 1>(rows, a + i, b, p.b.row, columns, k == begin,
                        sum + i * run, run);
          }
        }
        k += deep ? kDepth : 1;
      }
      for (Index i = 0; i < p.m; ++i) {
        T* c = p.c + i * p.c_stride + n;
        const T* s = sum + i * run;
        if (begin == 0) {
          for (Index j = 0; j < columns; ++j) c[j] = s[j];
        } else {
          for (Index j = 0; j < columns; ++j) c[j] += s[j];
        }
        if (end == p.k) finish_row(p, c, n, columns);
      }
    }
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
