#pragma once

#include "math/update.h"

namespace strop {

// RAdam (Liu et al. 2020). While the variance of the second moment is not
// tractable (rho_t <= 5, the first five steps at beta2 = 0.999) the step is
// momentum alone; afterwards it is Adam's times the rectification.
template <typename T>
struct Radam {
  // States: moment1, moment2.
  static constexpr unsigned kStates = 1 + 2, kOptional = 0;
  static constexpr bool kFlushes = true;

  RunningMean<T> mean;
  T beta2;
  T one_minus_beta2;
  T eps;        // added to the root before its correction
  T step_size;  // learning_rate / (1 - beta1^t), if rectified
                // times rectification * sqrt(1 - beta2^t)
  T rectified;  // 1 or 0
};

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& moment1, T& moment2, T&, const Radam<T>& c) {
  moment1 = mean_after(moment1, grad, c.mean);
  moment2 = c.beta2 * moment2 + c.one_minus_beta2 * grad * grad;
  const T root = square_root(moment2) + c.eps;
  // Chosen among numbers: a division behind a condition keeps the loop scalar,
  // 1.2 instead of 0.3 ns per element.
  return c.step_size * (moment1 / (c.rectified > T(0) ? root : T(1)));
}

}  // namespace strop
