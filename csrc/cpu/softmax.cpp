// Softmax and its cross-entropy, a row at a time while it is in L1: the
// greatest logit, the exponentials stored where the gradient will stand, their
// sum, and the gradient in place. Probabilities are never formed apart.

#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "kernels.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kParallelSize = 1 << 17;

Index rows_per_chunk(Index classes) { return 1 + 4096 / (classes + 1); }

// out = e^(x - greatest); returns the sum. `out` may be `x`.
template <typename T>
double exponentials(const T* x, T* out, Index n, T greatest_logit) {
#pragma GCC ivdep
  for (Index i = 0; i < n; ++i) out[i] = exponential(x[i] - greatest_logit);
  return lane_sum<false>(out, n);
}

template <typename T>
void forward(const SoftmaxForward<T>& args) {
  const SoftmaxForward<T> a = args;
  if (a.classes == 0) return;
  const bool parallel = a.rows * a.classes >= kParallelSize;
  parallel_for(
      a.rows, rows_per_chunk(a.classes), parallel, [=](Index begin, Index end) {
        for (Index row = begin; row < end; ++row) {
          const T* x = a.x + row * a.classes;
          T* out = a.out + row * a.classes;
          const T top = greatest(x, a.classes);
          if (a.log) {
            // The exponentials are needed for their sum only; x may be `out`.
            double sum = 0;
            T block[256];
            for (Index i = 0; i < a.classes; i += 256) {
              const Index n = a.classes - i < 256 ? a.classes - i : 256;
              sum += exponentials(x + i, block, n, top);
            }
            const T shift = T(__builtin_log(sum));
#pragma GCC ivdep
            for (Index i = 0; i < a.classes; ++i) out[i] = (x[i] - top) - shift;
          } else {
            const T factor = T(1.0 / exponentials(x, out, a.classes, top));
            for (Index i = 0; i < a.classes; ++i) out[i] *= factor;
          }
        }
      });
}

template <typename T>
void backward(const SoftmaxBackward<T>& args) {
  const SoftmaxBackward<T> a = args;
  const bool parallel = a.rows * a.classes >= kParallelSize;
  parallel_for(
      a.rows, rows_per_chunk(a.classes), parallel, [=](Index begin, Index end) {
        for (Index row = begin; row < end; ++row) {
          const T* grad = a.grad + row * a.classes;
          const T* out = a.out + row * a.classes;
          T* grad_x = a.grad_x + row * a.classes;
          // softmax: y (g - <g, y>); log_softmax: g - e^out sum(g).
          double sum = 0;
          T block[256];
          for (Index i = 0; i < a.classes; i += 256) {
            const Index n = a.classes - i < 256 ? a.classes - i : 256;
            for (Index k = 0; k < n; ++k) {
              block[k] = a.log ? grad[i + k] : grad[i + k] * out[i + k];
            }
            sum += lane_sum<false>(block, n);
          }
          const T total = T(sum);
          if (a.log) {
#pragma GCC ivdep
            for (Index i = 0; i < a.classes; ++i) {
              grad_x[i] = grad[i] - exponential(out[i]) * total;
            }
          } else {
#pragma GCC ivdep
            for (Index i = 0; i < a.classes; ++i) {
              grad_x[i] = out[i] * (grad[i] - total);
            }
          }
        }
      });
}

Index label_at(const Ids& labels, Index row) {
  return labels.wide ? static_cast<const std::int64_t*>(labels.data)[row]
                     : static_cast<const std::int32_t*>(labels.data)[row];
}

// <q, z>. An impossible class may have a logit of -inf, and 0 * inf is NaN.
template <typename T>
double dot_product(const T* q, const T* z, Index n) {
  double sum = 0;
  T block[256];
  for (Index i = 0; i < n; i += 256) {
    const Index width = n - i < 256 ? n - i : 256;
    for (Index k = 0; k < width; ++k) {
      block[k] = q[i + k] == T(0) ? T(0) : q[i + k] * z[i + k];
    }
    sum += lane_sum<false>(block, width);
  }
  return sum;
}

// The loss of one row; writes its gradient.
template <typename T>
double cross_entropy_row(const SoftmaxCrossEntropy<T>& a, Index row) {
  const Index classes = a.classes;
  const T* z = a.logits + row * classes;
  T* grad = a.grad + row * classes;
  T* probabilities =
      a.probabilities == nullptr ? nullptr : a.probabilities + row * classes;
  const Index label = a.target == nullptr ? label_at(a.labels, row) : -1;
  const bool ignored =
      a.target == nullptr && a.has_ignore && label == a.ignore_class;
  const double weight = a.weight == nullptr ? 1.0 : double(a.weight[row]);

  const T top = greatest(z, classes);
  const double sum = exponentials(z, grad, classes, top);
  const T inverse = T(1.0 / sum);
  if (probabilities != nullptr) {
    for (Index i = 0; i < classes; ++i) probabilities[i] = grad[i] * inverse;
  }
  if (ignored) {
    for (Index i = 0; i < classes; ++i) grad[i] = T(0);
    return 0;
  }
  const double log_sum = double(top) + __builtin_log(sum);
  const T scale = T(weight * a.scale);
  const double keep = 1 - a.smoothing;
  const double share = a.smoothing / double(classes);
  double target_sum = 1;
  double dot = share == 0 ? 0 : share * lane_sum<false>(z, classes);
  if (a.target != nullptr) {
    const T* q = a.target + row * classes;
    target_sum = keep * lane_sum<false>(q, classes) + a.smoothing;
    dot += keep * dot_product(q, z, classes);
    const T factor = T(target_sum) * inverse;
    for (Index i = 0; i < classes; ++i) {
      const T smoothed = T(keep) * q[i] + T(share);
      grad[i] = (grad[i] * factor - smoothed) * scale;
    }
  } else {
    dot += keep * double(z[label]);
    for (Index i = 0; i < classes; ++i) {
      grad[i] = (grad[i] * inverse - T(share)) * scale;
    }
    grad[label] -= T(keep) * scale;
  }
  return weight * (target_sum * log_sum - dot);
}

template <typename T>
void cross_entropy(const SoftmaxCrossEntropy<T>& args) {
  const SoftmaxCrossEntropy<T> a = args;
  const bool parallel = a.rows * a.classes >= kParallelSize;
  parallel_for(a.rows, kSoftmaxChunk, parallel, [=](Index begin, Index end) {
    double sum = 0;
    for (Index row = begin; row < end; ++row) sum += cross_entropy_row(a, row);
    a.partials[begin / kSoftmaxChunk] = sum;
  });
}

}  // namespace

void softmax_forward(const SoftmaxForward<float>& a) { forward(a); }
void softmax_forward(const SoftmaxForward<double>& a) { forward(a); }
void softmax_backward(const SoftmaxBackward<float>& a) { backward(a); }
void softmax_backward(const SoftmaxBackward<double>& a) { backward(a); }
void softmax_cross_entropy(const SoftmaxCrossEntropy<float>& a) {
  cross_entropy(a);
}
void softmax_cross_entropy(const SoftmaxCrossEntropy<double>& a) {
  cross_entropy(a);
}

}  // namespace strop::cpu::STROP_ISA
