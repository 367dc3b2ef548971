#pragma once

#include "cpu/channels.h"
#include "cpu/stream.h"
#include "kernels/batch_norm.h"

// Sums over the rows of (rows, channels). A chunk of rows has its own, which do
// not depend on the threads; chunks are combined in pairs, in double.

// One copy of its code: these are called for a block of rows.
#define STROP_APART __attribute__((noinline))

namespace strop::cpu::STROP_ISA {
namespace {

// Rows whose terms are added in their own type. Their distances from the first
// of them are summed: the first is one of the terms, so that what cancels in
// the variance is at most a factor of 32, whatever the offset.
constexpr Index kBlockRows = 32;

// Rows as they are worked on: `in_wide` neighbours as one, what is left over
// follows the last chunk. `far`: all outers together are too large for the
// caches.
struct Rows {
  Index rows, channels, in_wide, width, wide, chunks;
  bool far;
};

template <typename Args>
STROP_HD Rows rows_as(const Args& a, Index outer, bool masked) {
  const Index in_wide = rows_of_wide(a.channels, masked);
  return {a.rows,
          a.channels,
          in_wide,
          in_wide * a.channels,
          a.rows / in_wide,
          wide_chunks(a.rows, in_wide),
          is_far(a.x, outer * a.rows * a.channels)};
}

// The rows of x of a chunk: wide ones, then those left over.
struct Span {
  Index first, wide, left;
};

STROP_HD Span span_of(const Rows& r, Index chunk) {
  const Index begin = chunk * kWideChunk;
  const bool last = chunk + 1 == r.chunks;
  return {begin * r.in_wide, last ? r.wide - begin : kWideChunk,
          last ? r.rows % r.in_wide : 0};
}

// mean and m2 (the sum of squared distances from it) of `count` rows take those
// of `more` others.
STROP_APART void merge(double count, double* __restrict mean,
                       double* __restrict m2, double more,
                       const double* __restrict mean2,
                       const double* __restrict other_m2, Index n) {
  if (more == 0) return;
  const double share = more / (count + more);
  const double product = count * share;
#pragma GCC ivdep
  for (Index j = 0; j < n; ++j) {
    const double apart = mean2[j] - mean[j];
    mean[j] += apart * share;
    m2[j] += other_m2[j] + apart * apart * product;
  }
}

struct Moments {
  double* mean;
  double* m2;
  double count;  // of rows, the same for all columns
};

// Rows next to each other, since a sum in L1 is loaded and stored for each time
// that it takes some: a third of the time while x is in cache. What comes from
// beyond goes row by row, in the order of memory, which prefetchers follow: of
// 26 MB both sums of backward take 1.5 ms and not 2.4.
constexpr Index kRowsAtOnce = 4;

template <int K, typename T>
STROP_HD void add_distances(const T* x, Index stride, Index n, const T* first,
                            T* sum, T* square) {
  for_channels<T>(n, false,
                  [=](Index c, auto zero) __attribute__((always_inline)) {
                    using V = decltype(zero);
                    const V start = load<V>(first + c);
                    V s = load<V>(sum + c), q = load<V>(square + c);
#pragma GCC unroll 4
                    for (int k = 0; k < K; ++k) {
                      const V apart = load<V>(x + k * stride + c) - start;
                      s += apart;
                      q += apart * apart;
                    }
                    store(sum + c, s);
                    store(square + c, q);
                  });
}

// `rows` rows of n <= kWideRow columns, `stride` elements apart.
template <typename T>
STROP_APART void take_rows(const T* x, Index stride, Index rows, Index n,
                           const bool* mask, bool far, Moments& to) {
  T first[kWideRow], sum[kWideRow], square[kWideRow];
  double mean[kWideRow], m2[kWideRow];
  for (Index begin = 0; begin < rows; begin += kBlockRows) {
    const Index end = begin + kBlockRows < rows ? begin + kBlockRows : rows;
    Index count = end - begin;
    Index top = begin;
    if (mask != nullptr) {
      count = 0;
      for (Index r = begin; r < end; ++r) count += Index(mask[r]);
      if (count == 0) continue;
      while (!mask[top]) ++top;
    }
    for (Index j = 0; j < n; ++j) {
      first[j] = x[top * stride + j];
      sum[j] = square[j] = T(0);
    }
    for (Index r = begin; r < end;) {
      const T* row = x + r * stride;
      if (mask == nullptr && !far && r + kRowsAtOnce <= end) {
        add_distances<kRowsAtOnce>(row, stride, n, first, sum, square);
        r += kRowsAtOnce;
      } else {
        if (mask == nullptr || mask[r]) {
          add_distances<1>(row, stride, n, first, sum, square);
        }
        ++r;
      }
    }
    const double each = 1.0 / double(count);
#pragma GCC ivdep
    for (Index j = 0; j < n; ++j) {
      const double s = double(sum[j]);
      const double rest = double(square[j]) - s * s * each;
      mean[j] = double(first[j]) + s * each;
      m2[j] = rest < 0 ? 0 : rest;
    }
    merge(to.count, to.mean, to.m2, double(count), mean, m2, n);
    to.count += double(count);
  }
}

// mean and m2 (channels,) of a chunk, and how many rows counted.
template <typename T>
void chunk_moments(const T* x, const bool* mask, const Rows& r, Index chunk,
                   double* mean, double* m2, double* count) {
  const Span span = span_of(r, chunk);
  const T* from = x + span.first * r.channels;
  const bool* kept = mask == nullptr ? nullptr : mask + span.first;
  for (Index first = 0; first < r.width; first += kWideRow) {
    const Index n = r.width - first < kWideRow ? r.width - first : kWideRow;
    double means[kWideRow] = {}, squares[kWideRow] = {};
    Moments so_far{means, squares, 0};
    take_rows(from + first, r.width, span.wide, n, kept, r.far, so_far);
    for (Index half = r.in_wide / 2; half > 0; half /= 2) {
      const Index at = half * r.channels;
      merge(so_far.count, means, squares, so_far.count, means + at,
            squares + at, at);
      so_far.count *= 2;
    }
    if (span.left > 0) {
      take_rows(from + span.wide * r.width, r.channels, span.left, r.channels,
                nullptr, r.far, so_far);
    }
    const Index own = r.in_wide > 1 ? r.channels : n;
    for (Index j = 0; j < own; ++j) {
      mean[first + j] = means[j];
      m2[first + j] = squares[j];
    }
    *count = so_far.count;
  }
}

template <int K, typename T>
STROP_HD void add_row_products(const T* grad, const T* x, Index stride, Index n,
                               const T* center, T* sum, T* product) {
  for_channels<T>(n, false,
                  [=](Index c, auto zero) __attribute__((always_inline)) {
                    using V = decltype(zero);
                    const V middle = load<V>(center + c);
                    V s = load<V>(sum + c), p = load<V>(product + c);
#pragma GCC unroll 4
                    for (int k = 0; k < K; ++k) {
                      const V g = load<V>(grad + k * stride + c);
                      s += g;
                      p += g * (load<V>(x + k * stride + c) - middle);
                    }
                    store(sum + c, s);
                    store(product + c, p);
                  });
}

// sum(grad) and sum(grad * (x - center)) over the rows of a chunk; `center` is
// that of a wide row.
template <typename T>
STROP_APART void add_products(const T* grad, const T* x, const T* center,
                              Index stride, Index rows, Index n, bool far,
                              double* sums, double* products) {
  T sum[kWideRow], product[kWideRow];
  for (Index begin = 0; begin < rows; begin += kBlockRows) {
    const Index end = begin + kBlockRows < rows ? begin + kBlockRows : rows;
    for (Index j = 0; j < n; ++j) sum[j] = product[j] = T(0);
    for (Index r = begin; r < end;) {
      const T* g = grad + r * stride;
      const T* row = x + r * stride;
      if (!far && r + kRowsAtOnce <= end) {
        add_row_products<kRowsAtOnce>(g, row, stride, n, center, sum, product);
        r += kRowsAtOnce;
      } else {
        add_row_products<1>(g, row, stride, n, center, sum, product);
        ++r;
      }
    }
    for (Index j = 0; j < n; ++j) {
      sums[j] += double(sum[j]);
      products[j] += double(product[j]);
    }
  }
}

template <typename T>
void chunk_products(const T* grad, const T* x, const T* center, const Rows& r,
                    Index chunk, double* sums, double* products) {
  const Span span = span_of(r, chunk);
  const Index at = span.first * r.channels;
  for (Index first = 0; first < r.width; first += kWideRow) {
    const Index n = r.width - first < kWideRow ? r.width - first : kWideRow;
    double s[kWideRow] = {}, p[kWideRow] = {};
    add_products(grad + at + first, x + at + first, center + first, r.width,
                 span.wide, n, r.far, s, p);
    for (Index half = r.in_wide / 2; half > 0; half /= 2) {
      for (Index j = 0; j < half * r.channels; ++j) {
        s[j] += s[half * r.channels + j];
        p[j] += p[half * r.channels + j];
      }
    }
    if (span.left > 0) {
      const Index rest = at + span.wide * r.width;
      add_products(grad + rest, x + rest, center, r.channels, span.left,
                   r.channels, r.far, s, p);
    }
    const Index own = r.in_wide > 1 ? r.channels : n;
    for (Index j = 0; j < own; ++j) {
      sums[first + j] = s[j];
      products[first + j] = p[j];
    }
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
