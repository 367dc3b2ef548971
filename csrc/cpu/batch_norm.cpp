// Batch and group normalization of (outer, rows, channels): statistics over the
// rows, then one pass that applies them. Bound by memory: forward reads x twice
// and writes out, 12 bytes per element, 8 while x is in cache; backward reads
// grad and x twice and writes grad_x, 20 bytes or 12.

#include "kernels/batch_norm.h"

#include "cpu/batch_norm_moments.h"
#include "cpu/parallel.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kOwnSamples = 4;  // from here on a thread takes whole samples

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

// Calls body(first element, elements) for the wide rows of each chunk, and
// whether it counts, in parallel.
template <typename Body>
STROP_HD void for_wide_rows(const Rows& r, const bool* mask, Index arrays,
                            const Body& body) {
  parallel_for(r.chunks, 1, nanoseconds(r, arrays),
               [=](Index begin, Index end) {
                 const Index size = r.rows * r.channels;
                 for (Index chunk = begin; chunk < end; ++chunk) {
                   const Span span = span_of(r, chunk);
                   const Index wide = span.wide + (span.left > 0 ? 1 : 0);
                   for (Index i = 0; i < wide; ++i) {
                     const Index at = span.first * r.channels + i * r.width;
                     const Index n = size - at < r.width ? size - at : r.width;
                     body(at, n, mask == nullptr || mask[span.first + i]);
                   }
                 }
               });
}

// out = (x - center) * factor + offset, by channel.
template <typename T>
void scale_rows(const T* x, T* out, const Rows& r, T* const (&c)[4]) {
  const T* center = c[0];
  const T* factor = c[1];
  const T* offset = c[2];
  for_wide_rows(r, nullptr, 2, [=](Index at, Index n, bool) {
    const T* __restrict from = x + at;
    T* __restrict to = out + at;
#pragma GCC ivdep
    for (Index j = 0; j < n; ++j) {
      to[j] = (from[j] - center[j]) * factor[j] + offset[j];
    }
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

// Calls body(outer) for each, several at once where there are many.
template <typename Body>
STROP_HD void for_samples(Index outer, Index nanoseconds, const Body& body) {
  if (outer < kOwnSamples) {
    for (Index i = 0; i < outer; ++i) body(i);
    return;
  }
  parallel_for(outer, 1, nanoseconds, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) body(i);
  });
}

// The statistics of one outer, by group, from those of its channels.
template <typename T>
void set_moments(const BatchNorm<T>& a, Index outer, const Rows& r,
                 const Workspace<T>& w) {
  const Index n = r.channels;
  for (Index step = 1; step < r.chunks; step *= 2) {
    for (Index i = 0; i + step < r.chunks; i += 2 * step) {
      double* mine = w.sums + 2 * i * n;
      const double* others = w.sums + 2 * (i + step) * n;
      merge(w.counts[i], mine, mine + n, w.counts[i + step], others, others + n,
            n);
      w.counts[i] += w.counts[i + step];
    }
  }
  const double count = w.counts[0];
  const Index each = group_size(a);
  for (Index group = 0; group < a.groups; ++group) {
    double* mean = w.sums + group * each;
    double* m2 = mean + n;
    for (Index i = 1; i < each; ++i) {
      merge(count * double(i), mean, m2, count, mean + i, m2 + i, 1);
    }
    const double total = count * double(each);
    a.mean[outer * a.groups + group] = total == 0 ? 0 : mean[0];
    a.variance[outer * a.groups + group] = total == 0 ? 0 : m2[0] / total;
  }
}

template <typename T>
void forward(const BatchNorm<T>& args) {
  const BatchNorm<T> a = args;
  const bool masked = a.mask != nullptr;
  const Rows r = rows_as(a.rows, a.channels, masked);
  const Index room = batch_norm_workspace(a.rows, a.channels, masked);
  for_samples(a.outer, a.outer * nanoseconds(r, 3), [=](Index outer) {
    const Workspace<T> w(a.workspace + outer * room, r);
    const Index at = outer * a.rows * a.channels;
    const bool* mask = masked ? a.mask + outer * a.rows : nullptr;
    parallel_for(r.chunks, 1, nanoseconds(r, 1), [=](Index begin, Index end) {
      for (Index chunk = begin; chunk < end; ++chunk) {
        double* mean = w.sums + 2 * chunk * r.channels;
        chunk_moments(a.x + at, mask, r, chunk, mean, mean + r.channels,
                      w.counts + chunk);
      }
    });
    set_moments(a, outer, r, w);
    const Index each = group_size(a);
    for (Index c = 0; c < a.channels; ++c) {
      const Index group = outer * a.groups + c / each;
      set_scale(w.coefficients, c, a.mean[group], a.variance[group], a.epsilon,
                a.gamma, a.beta);
    }
    for (T* each_of : w.coefficients) repeat(each_of, r);
    scale_rows(a.x + at, a.out + at, r, w.coefficients);
  });
}

// The gradient by x is grad * factor + (x - center) * slope + offset; the sums
// of a channel stay in w.total, as parts of the gradients of gamma and beta.
template <typename T>
void set_slopes(const BatchNormBackward<T>& a, Index outer, const Rows& r,
                const Workspace<T>& w, double count) {
  const Index n = r.channels;
  for (Index step = 1; step < r.chunks; step *= 2) {
    for (Index i = 0; i + step < r.chunks; i += 2 * step) {
      double* mine = w.sums + 2 * i * n;
      for (Index j = 0; j < 2 * n; ++j) mine[j] += mine[2 * step * n + j];
    }
  }
  const Index each = group_size(a);
  for (Index group = 0; group < a.groups; ++group) {
    const double mean = a.mean[outer * a.groups + group];
    const double inverse =
        1.0 / square_root(a.variance[outer * a.groups + group] + a.epsilon);
    const T center = T(mean);
    const double rest = mean - double(center);
    double sum = 0, product = 0;
    for (Index c = group * each; c < (group + 1) * each; ++c) {
      const double gamma = a.gamma == nullptr ? 1 : double(a.gamma[c]);
      const double own = w.sums[n + c] - rest * w.sums[c];
      w.total[c] = own * inverse;
      w.total[n + c] = w.sums[c];
      sum += gamma * w.sums[c];
      product += gamma * own;
      w.coefficients[1][c] = T(gamma * inverse);
    }
    const double total = count * double(each);
    const double share = total == 0 ? 0 : inverse / total;
    const double slope = -product * inverse * inverse * share;
    for (Index c = group * each; c < (group + 1) * each; ++c) {
      w.coefficients[2][c] = T(slope);
      w.coefficients[3][c] = T(-sum * share - slope * rest);
    }
  }
}

template <typename T>
void slope_rows(const T* grad, const T* x, const bool* mask, T* grad_x,
                const Rows& r, T* const (&c)[4]) {
  const T* center = c[0];
  const T* factor = c[1];
  const T* slope = c[2];
  const T* offset = c[3];
  for_wide_rows(r, mask, 3, [=](Index at, Index n, bool counts) {
    const T* __restrict g = grad + at;
    const T* __restrict from = x + at;
    T* __restrict to = grad_x + at;
    if (counts) {
#pragma GCC ivdep
      for (Index j = 0; j < n; ++j) {
        to[j] =
            g[j] * factor[j] + ((from[j] - center[j]) * slope[j] + offset[j]);
      }
    } else {
      for (Index j = 0; j < n; ++j) to[j] = g[j] * factor[j];
    }
  });
}

template <typename T>
void backward(const BatchNormBackward<T>& args) {
  const BatchNormBackward<T> a = args;
  const bool masked = a.mask != nullptr;
  const Rows r = rows_as(a.rows, a.channels, masked);
  const Index room = batch_norm_workspace(a.rows, a.channels, masked);
  for_samples(a.outer, a.outer * nanoseconds(r, 5), [=](Index outer) {
    const Workspace<T> w(a.workspace + outer * room, r);
    const Index at = outer * a.rows * a.channels;
    const bool* mask = masked ? a.mask + outer * a.rows : nullptr;
    const Index each = group_size(a);
    for (Index c = 0; c < a.channels; ++c) {
      w.coefficients[0][c] = T(a.mean[outer * a.groups + c / each]);
    }
    repeat(w.coefficients[0], r);
    parallel_for(r.chunks, 1, nanoseconds(r, 2), [=](Index begin, Index end) {
      for (Index chunk = begin; chunk < end; ++chunk) {
        double* sums = w.sums + 2 * chunk * r.channels;
        chunk_products(a.grad + at, a.x + at, w.coefficients[0], r, chunk, sums,
                       sums + r.channels);
      }
    });
    double count = double(a.rows);
    if (masked) {
      count = 0;
      for (Index i = 0; i < a.rows; ++i) count += mask[i] ? 1 : 0;
    }
    set_slopes(a, outer, r, w, count);
    if (a.grad_x == nullptr) return;
    for (int k = 1; k < 4; ++k) repeat(w.coefficients[k], r);
    slope_rows(a.grad + at, a.x + at, mask, a.grad_x + at, r, w.coefficients);
  });
  for (Index c = 0; c < a.channels; ++c) {
    double gamma = 0, beta = 0;
    for (Index outer = 0; outer < a.outer; ++outer) {
      const Workspace<T> w(a.workspace + outer * room, r);
      gamma += w.total[c];
      beta += w.total[a.channels + c];
    }
    a.grad_gamma[c] = T(gamma);
    a.grad_beta[c] = T(beta);
  }
}

template <typename T>
void inference(const BatchNormInference<T>& a) {
  const Rows r = rows_as(a.rows, a.channels, false);
  const Workspace<T> w(a.workspace, r);
  for (Index c = 0; c < a.channels; ++c) {
    set_scale(w.coefficients, c, double(a.mean[c]), double(a.variance[c]),
              a.epsilon, a.gamma, a.beta);
  }
  for (int k = 0; k < 3; ++k) repeat(w.coefficients[k], r);
  scale_rows(a.x, a.out, r, w.coefficients);
}

}  // namespace

void batch_norm(const BatchNorm<float>& a) { forward(a); }
void batch_norm(const BatchNorm<double>& a) { forward(a); }
void batch_norm_backward(const BatchNormBackward<float>& a) { backward(a); }
void batch_norm_backward(const BatchNormBackward<double>& a) { backward(a); }
void batch_norm_inference(const BatchNormInference<float>& a) { inference(a); }
void batch_norm_inference(const BatchNormInference<double>& a) { inference(a); }

}  // namespace strop::cpu::STROP_ISA
