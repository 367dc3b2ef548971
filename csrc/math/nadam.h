#pragma once

#include "math/update.h"

namespace strop {

// NAdam (Dozat 2016), the same in both dialects but for momentum_decay, which
// stands in mu = beta1 (1 - 0.96^(t momentum_decay) / 2). With P the product of
// mu up to this step and mu' the next one:
template <typename T>
struct Nadam {
  // States: moment1, moment2.
  static constexpr unsigned kStates = 1 + 2, kOptional = 0;
  static constexpr bool kFlushes = true;

  RunningMean<T> mean;
  T beta2;
  T one_minus_beta2;
  T inv_root_c2;    // 1 / sqrt(1 - beta2^t)
  T eps;            // added to the corrected root
  T grad_weight;    // learning_rate (1 - mu) / (1 - P)
  T moment_weight;  // learning_rate mu' / (1 - P mu')
};

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& moment1, T& moment2, T&, const Nadam<T>& c) {
  moment1 = mean_after(moment1, grad, c.mean);
  moment2 = c.beta2 * moment2 + c.one_minus_beta2 * grad * grad;
  const T root = square_root(moment2) * c.inv_root_c2 + c.eps;
  return (c.grad_weight * grad + c.moment_weight * moment1) / root;
}

}  // namespace strop
