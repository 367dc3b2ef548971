#pragma once

#include "kernels/loss.h"
#include "kernels/softmax.h"
#include "step/samples.h"

namespace strop::step {

// A pairwise sum, so that the error does not grow with the number of terms.
inline double add_pairwise(const double* x, Index n) {
  if (n <= 8) {
    double sum = 0;
    for (Index i = 0; i < n; ++i) sum += x[i];
    return sum;
  }
  return add_pairwise(x, n / 2) + add_pairwise(x + n / 2, n - n / 2);
}

// A label that is no class, found when a batch was read.
struct BadLabel : std::exception {
  const char* what() const noexcept override { return "label out of range"; }
};

enum class LossKind { kPointwise, kSoftmax };

struct LossRule {
  LossKind kind;
  PointwiseLoss which;  // of the pointwise ones
  double setting;       // smoothing of the softmax, delta of Huber's loss
};

// The mean loss of a batch and its gradient by the predictions or logits.
template <typename T>
class Loss {
 public:
  explicit Loss(const LossRule& rule) : rule_(rule) {}

  double value(const T* pred, Index width, const Samples<T>& samples,
               const Rows& rows) {
    const T* target = take(samples.target, width, rows, target_);
    const T* weight = take(samples.weight, 1, rows, weight_);
    const Index size = rows.count * width;
    T* grad = grad_.at_least(size);
    if (rule_.kind == LossKind::kPointwise) {
      const Index terms = (size + kLossChunk - 1) / kLossChunk;
      double* partials = partials_.at_least(terms);
      cpu::pointwise_loss(
          PointwiseLossArgs<T>{pred, target, weight, grad, nullptr, partials,
                               rows.count, width, rule_.which,
                               T(rule_.setting)},
          Stream{});
      const Index count = adds_up(rule_.which) ? rows.count : size;
      return size == 0 ? 0.0 : add_pairwise(partials, terms) / double(count);
    }
    const Ids labels = take_ids(samples.labels, 1, rows, wide_, narrow_);
    const bool known =
        labels.wide ? all_in(static_cast<const std::int64_t*>(labels.data),
                             labels.size, width)
                    : all_in(static_cast<const std::int32_t*>(labels.data),
                             labels.size, width);
    if (!known) throw BadLabel();
    const Index terms = (rows.count + kSoftmaxChunk - 1) / kSoftmaxChunk;
    double* partials = partials_.at_least(terms);
    cpu::softmax_cross_entropy(
        SoftmaxCrossEntropy<T>{
            pred, target, labels, weight, grad, nullptr, partials, rows.count,
            width, 1.0 / double(rows.count), rule_.setting, false, 0},
        Stream{});
    return add_pairwise(partials, terms) / double(rows.count);
  }

  const T* grad() { return grad_.data(); }

 private:
  LossRule rule_;
  Buffer<T> target_, weight_, grad_;
  Buffer<double> partials_;
  Buffer<std::int32_t> narrow_;
  Buffer<std::int64_t> wide_;
};

}  // namespace strop::step
