#pragma once

#include "cpu/batch_norm_moments.h"
#include "cpu/parallel.h"

// The pass that applies statistics: a scale and a shift for each channel.

namespace strop::cpu::STROP_ISA {
namespace {

// About 0.1 ns for each element of an array that a pass reads or writes.
STROP_HD Index nanoseconds(const Rows& r, Index arrays) {
  return r.rows * r.channels * arrays / 10 + 100;
}

template <typename Args>
STROP_HD Index group_size(const Args& a) {
  return a.groups == 0 ? 0 : a.channels / a.groups;
}

// The memory of one outer.
template <typename T>
struct Workspace {
  double* sums;        // (chunks, 2, channels)
  double* counts;      // (chunks,)
  double* total;       // (2, channels)
  T* coefficients[4];  // each (width,)

  Workspace(double* memory, const Rows& r)
      : sums(memory),
        counts(sums + 2 * r.chunks * r.channels),
        total(counts + r.chunks) {
    T* at = reinterpret_cast<T*>(total + 2 * r.channels);
    for (T*& each : coefficients) {
      each = at;
      at += r.width;
    }
  }
};

// Each coefficient of a row once for every row of a wide one.
template <typename T>
STROP_HD void repeat(T* coefficients, const Rows& r) {
  for (Index i = r.channels; i < r.width; ++i) {
    coefficients[i] = coefficients[i - r.channels];
  }
}

// How many rows a pass works on together: two, which load the coefficients
// once. Of four some lie 4 KB apart, where a load waits for a store.
template <int K>
struct Together {
  static constexpr int kRows = K;
};

// Calls body(rows together, first element, elements of a row, whether they
// count) for the wide rows of each chunk, in parallel; the last chunk first,
// which the pass before has left in cache. `streams`: what it stores is
// streamed.
template <typename Body>
STROP_HD void for_wide_rows(const Rows& r, const bool* mask, Index arrays,
                            bool streams, const Body& body) {
  parallel_for(
      r.chunks, 1, nanoseconds(r, arrays), [=](Index begin, Index end) {
        const Index size = r.rows * r.channels;
        for (Index part = begin; part < end; ++part) {
          const Span span = span_of(r, r.chunks - 1 - part);
          const Index wide = span.wide + (span.left > 0 ? 1 : 0);
          for (Index i = 0; i < wide;) {
            const Index at = span.first * r.channels + i * r.width;
            if (mask == nullptr && !streams && i + 2 <= span.wide) {
              body(Together<2>{}, at, r.width, true);
              i += 2;
              continue;
            }
            const Index n = size - at < r.width ? size - at : r.width;
            body(Together<1>{}, at, n, mask == nullptr || mask[span.first + i]);
            ++i;
          }
        }
        if (streams) drain();
      });
}

// out = (x - center) * factor + offset, by channel.
template <typename T>
void scale_rows(const T* x, T* out, const Rows& r, T* const (&c)[4]) {
  const T* center = c[0];
  const T* factor = c[1];
  const T* offset = c[2];
  const bool streams = r.far && fills_lines(out, r.width);
  const Index width = r.width;
  for_wide_rows(
      r, nullptr, 2, streams, [=](auto together, Index at, Index n, bool) {
        const T* from = x + at;
        T* to = out + at;
        for_channels<T>(
            n, false, [=](Index j, auto zero) __attribute__((always_inline)) {
              using V = decltype(zero);
              const V middle = load<V>(center + j), times = load<V>(factor + j);
              const V plus = load<V>(offset + j);
              for (int k = 0; k < decltype(together)::kRows; ++k) {
                const Index i = k * width + j;
                put(to + i, (load<V>(from + i) - middle) * times + plus,
                    streams);
              }
            });
      });
}

// The coefficients of channel c. What the type cannot hold of the mean goes to
// the offset: at 1e4 it is 5e-4.
template <typename T>
STROP_HD void set_scale(T* const (&to)[4], Index c, double mean,
                        double variance, double epsilon, const T* gamma,
                        const T* beta) {
  const double inverse = 1.0 / square_root(variance + epsilon);
  const double factor = gamma == nullptr ? inverse : double(gamma[c]) * inverse;
  const T center = T(mean);
  const double rest = (mean - double(center)) * factor;
  to[0][c] = center;
  to[1][c] = T(factor);
  to[2][c] = T((beta == nullptr ? 0 : double(beta[c])) - rest);
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
