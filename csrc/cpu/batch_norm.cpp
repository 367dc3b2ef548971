// Batch and group normalization of (outer, rows, channels): statistics over the
// rows, then one pass that applies them. Bound by memory: forward reads x twice
// and writes out, 12 bytes per element, 8 while x is in cache; backward reads
// grad and x twice and writes grad_x, 20 bytes or 12.

#include "kernels/batch_norm.h"

#include "cpu/batch_norm_moments.h"
#include "cpu/batch_norm_scale.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kOwnSamples = 4;  // from here on a thread takes whole samples

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
  const Rows r = rows_as(a, a.outer, masked);
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
  const bool streams = r.far && fills_lines(grad_x, r.width);
  const Index width = r.width;
  for_wide_rows(
      r, mask, 3, streams, [=](auto together, Index at, Index n, bool counts) {
        const T* g = grad + at;
        const T* from = x + at;
        T* to = grad_x + at;
        for_channels<T>(
            n, false, [=](Index j, auto zero) __attribute__((always_inline)) {
              using V = decltype(zero);
              const V middle = load<V>(center + j), times = load<V>(factor + j);
              const V by_x = load<V>(slope + j), plus = load<V>(offset + j);
              for (int k = 0; k < decltype(together)::kRows; ++k) {
                const Index i = k * width + j;
                V y = load<V>(g + i) * times;
                if (counts) {
                  y += (load<V>(from + i) - middle) * by_x + plus;
                }
                put(to + i, y, streams);
              }
            });
      });
}

template <typename T>
void backward(const BatchNormBackward<T>& args) {
  const BatchNormBackward<T> a = args;
  const bool masked = a.mask != nullptr;
  const Rows r = rows_as(a, a.outer, masked);
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
  double* total = nullptr;
  for (Index outer = 0; outer < a.outer; ++outer) {
    double* own = Workspace<T>(a.workspace + outer * room, r).total;
    if (outer == 0) total = own;
    for (Index i = 0; i < 2 * a.channels && outer > 0; ++i) total[i] += own[i];
  }
  for (Index c = 0; c < a.channels; ++c) {
    a.grad_gamma[c] = total == nullptr ? T(0) : T(total[c]);
    a.grad_beta[c] = total == nullptr ? T(0) : T(total[a.channels + c]);
  }
}

template <typename T>
void inference(const BatchNormInference<T>& a) {
  const Rows r = rows_as(a, 1, false);
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
