#pragma once

#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "kernels/softmax.h"

// The rows of softmax.cpp: exponentials with their sum, and the cross-entropy
// with its gradient. Logarithms are taken for a block of rows at once.

namespace strop::cpu::STROP_ISA {
namespace {

inline constexpr Index kRowBlock = 64;

// About 0.5 ns per logit, and 10 ns per row.
STROP_HD Index softmax_nanoseconds(Index rows, Index classes) {
  return rows * (10 + classes / 2);
}

inline constexpr Index kShortRow = 64;
inline constexpr Index kScratch = 2048 + kRowBlock;
inline constexpr Index kPiece = 1024;  // of a long row

// What follows is not inlined where it would stand several times: it is called
// for hundreds of elements.

// out = e^(x - top); `out` may be `x`.
template <typename T>
__attribute__((noinline)) void exponentials(const T* x, T* out, Index n,
                                            T top) {
  const Lanes<T> shift = spread(top);
  for_lanes(n, [=](Index i, Index left) __attribute__((always_inline)) {
    store_lanes(out + i, exponential(load_lanes(x + i, left, T(0)) - shift),
                left);
  });
}

// As many rows at once as leave logits and results in L1.
STROP_HD Index rows_at_once(Index classes) {
  const Index fitting = 1 + 2048 / (classes + 1);
  return fitting < kRowBlock ? fitting : kRowBlock;
}

// Of each row of a block: its greatest logit, the sum of e^(x - top), its
// inverse and its logarithm. One loop for each: within a row every step waits
// for the one before, 100 cycles in all, so that many rows must be under way.
template <typename T>
struct RowSums {
  T top[kRowBlock];
  double sum[kRowBlock];
  double inverse[kRowBlock];
  double log_sum[kRowBlock];
  T scratch[kScratch];
};

// The exponentials of all rows as one: a row of 20 alone would take two vectors
// of 16 for them. They stay in `scratch`: what is loaded beside a masked store
// waits for it, and a pass that does so row by row takes 4 times as long.
template <typename T>
STROP_HD void take_short(RowSums<T>& sums, const T* x, Index rows,
                         Index classes) {
  for (Index k = 0; k < rows; ++k) {
    const T* from = x + k * classes;
    T* to = sums.scratch + k * classes;
    const Lanes<T> shift = spread(sums.top[k]);
    for_lanes(classes, [=](Index i, Index n) __attribute__((always_inline)) {
      store_lanes(to + i, load_lanes(from + i, n, T(0)) - shift, n);
    });
  }
  exponentials(sums.scratch, sums.scratch, rows * classes, T(0));
  for (Index k = 0; k < rows; ++k) {
    sums.sum[k] = lane_sum<false>(sums.scratch + k * classes, classes);
  }
}

// e^(x - top) is in `scratch` afterwards where rows are short, else in `out`,
// which may be `x`, or null: then they are lost. A NaN among the logits makes
// the sum one.
template <typename T>
__attribute__((noinline)) void take_rows(RowSums<T>& sums, const T* x, T* out,
                                         Index rows, Index classes) {
  for (Index k = 0; k < rows; ++k) {
    sums.top[k] = greatest_number(x + k * classes, classes);
  }
  if (classes < kShortRow) {
    take_short(sums, x, rows, classes);
  } else {
    for (Index k = 0; k < rows; ++k) {
      LaneSums<T> lanes;
      for (Index i = k * classes; i < (k + 1) * classes; i += kPiece) {
        const Index left = (k + 1) * classes - i;
        const Index n = left < kPiece ? left : kPiece;
        T* to = out == nullptr ? sums.scratch : out + i;
        exponentials(x + i, to, n, sums.top[k]);
        lanes.take(n, [=](Index j, Index l) __attribute__((always_inline)) {
          return load_lanes(to + j, l, T(0));
        });
      }
      sums.sum[k] = lanes.total();
    }
  }
  for (Index k = 0; k < rows; ++k) {
    sums.inverse[k] = 1.0 / sums.sum[k];
    sums.log_sum[k] = logarithm(sums.sum[k]);
  }
}

STROP_HD Index label_at(const Ids& labels, Index row) {
  return labels.wide ? static_cast<const std::int64_t*>(labels.data)[row]
                     : static_cast<const std::int32_t*>(labels.data)[row];
}

template <typename T>
__attribute__((noinline)) double row_sum(const T* x, Index n) {
  return lane_sum<false>(x, n);
}

// <q, z>. An impossible class may have a logit of -inf, and 0 * inf is NaN.
template <typename T>
__attribute__((noinline)) double dot_product(const T* q, const T* z, Index n) {
  return sum_terms<T>(
      n, [=](Index i, Index left) __attribute__((always_inline)) {
        return map(load_lanes(q + i, left, T(0)), load_lanes(z + i, left, T(0)),
                   [](auto share, auto v) __attribute__((always_inline)) {
                     return share == T(0) ? share : share * v;
                   });
      });
}

// What the rows of a call share.
template <typename T>
struct CrossEntropyRow {
  const SoftmaxCrossEntropy<T>& a;
  double keep;   // of the target
  double share;  // of every class

  // The loss of a row with the exponentials `e`, which `grad` may hold; writes
  // its gradient.
  __attribute__((always_inline)) double finish(Index row, const T* e, T inverse,
                                               double log_sum) const {
    const Index classes = a.classes;
    const T* z = a.logits + row * classes;
    T* grad = a.grad + row * classes;
    const Lanes<T> inverses = spread(inverse);
    if (a.probabilities != nullptr) {
      T* probabilities = a.probabilities + row * classes;
      for_lanes(classes, [=](Index i, Index n) __attribute__((always_inline)) {
        store_lanes(probabilities + i, load_lanes(e + i, n, T(0)) * inverses,
                    n);
      });
    }
    const Index label = a.target == nullptr ? label_at(a.labels, row) : -1;
    if (a.target == nullptr && a.has_ignore && label == a.ignore_class) {
      for (Index i = 0; i < classes; ++i) grad[i] = T(0);
      return 0;
    }
    const double weight = a.weight == nullptr ? 1.0 : double(a.weight[row]);
    const T scale = T(weight * a.scale);
    const Lanes<T> scales = spread(scale);
    const Lanes<T> shares = spread(T(share));
    double dot = share == 0 ? 0 : share * row_sum(z, classes);
    if (a.target == nullptr) {
      const T at_label = (e[label] * inverse - (T(keep) + T(share))) * scale;
      for_lanes(classes, [=](Index i, Index n) __attribute__((always_inline)) {
        const Lanes<T> p = load_lanes(e + i, n, T(0)) * inverses;
        store_lanes(grad + i, (p - shares) * scales, n);
      });
      grad[label] = at_label;
      return weight * (log_sum - (dot + keep * double(z[label])));
    }
    const T* q = a.target + row * classes;
    const double total = keep * row_sum(q, classes) + a.smoothing;
    dot += keep * dot_product(q, z, classes);
    const Lanes<T> factor = spread(T(total) * inverse);
    const Lanes<T> kept = spread(T(keep));
    for_lanes(classes, [=](Index i, Index n) __attribute__((always_inline)) {
      const Lanes<T> smoothed = kept * load_lanes(q + i, n, T(0)) + shares;
      const Lanes<T> p = load_lanes(e + i, n, T(0)) * factor;
      store_lanes(grad + i, (p - smoothed) * scales, n);
    });
    return weight * (total * log_sum - dot);
  }
};

// The losses of rows [begin, end), added up in their order.
template <typename T>
__attribute__((noinline)) double cross_entropy_rows(
    const SoftmaxCrossEntropy<T>& a, Index begin, Index end) {
  const CrossEntropyRow<T> each{a, 1 - a.smoothing,
                                a.smoothing / double(a.classes)};
  const Index rows = rows_at_once(a.classes);
  RowSums<T> sums;
  double loss = 0;
  for (Index first = begin; first < end; first += rows) {
    const Index count = end - first < rows ? end - first : rows;
    const Index at = first * a.classes;
    take_rows(sums, a.logits + at, a.grad + at, count, a.classes);
    const T* exps = a.classes < kShortRow ? sums.scratch : a.grad + at;
    for (Index k = 0; k < count; ++k) {
      loss += each.finish(first + k, exps + k * a.classes, T(sums.inverse[k]),
                          double(sums.top[k]) + sums.log_sum[k]);
    }
  }
  return loss;
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
