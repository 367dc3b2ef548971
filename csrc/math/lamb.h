#pragma once

#include "math/power.h"
#include "math/update.h"

namespace strop {

// LAMB (You et al. 2020): Adam's direction, scaled for each tensor by the ratio
// of the norms of the parameter and of the direction:
//
//     w         = param - lost * param
//     direction = (moment1 / c1) / (sqrt(moment2 / c2) + eps) + inside * w
//     param     = w - learning_rate * |w| / |direction| * direction
//
//           lost                          inside
//   optax   0                             weight_decay
//   Keras   learning_rate * weight_decay  0
//
// The ratio is 1 where one of the norms is 0.
template <typename T>
struct Lamb {
  RunningMean<T> mean;
  T beta2;
  T one_minus_beta2;
  T inv_c1;       // 1 / (1 - beta1^t)
  T inv_root_c2;  // 1 / sqrt(1 - beta2^t)
  T eps;
};

struct LambRule {
  static constexpr bool kCounts = true;
  double beta1, beta2, eps;
};

// As in math/adam.h.
template <typename T>
STROP_HD Lamb<T> coefficients_of(const LambRule& r, std::int64_t step,
                                 double /*learning_rate*/) {
  const double c1 = one_minus_power(r.beta1, step);
  const double c2 = one_minus_power(r.beta2, step);
  return {RunningMean<T>::of(r.beta1), T(r.beta2), T(1 - r.beta2), T(1 / c1),
          T(1 / square_root(c2)),      T(r.eps)};
}

template <typename T>
STROP_HD void lamb_moments(T& moment1, T& moment2, T grad, const Lamb<T>& c) {
  moment1 = mean_after(moment1, grad, c.mean);
  moment2 = c.beta2 * moment2 + c.one_minus_beta2 * grad * grad;
}

template <typename T>
STROP_HD T lamb_direction(T kept, T moment1, T moment2, T inside,
                          const Lamb<T>& c) {
  const T root = square_root(moment2) * c.inv_root_c2 + c.eps;
  return c.inv_c1 * moment1 / root + inside * kept;
}

// Whether float32 held a sum of squares: those of numbers below 1e-23 are 0
// there, those of numbers above 1e19 infinite.
STROP_HD bool lamb_held(double sum) { return sum > 1e-30 && sum < 1e37; }

// What the direction is multiplied by, from the sums of squares.
STROP_HD double lamb_step_size(double kept, double direction,
                               double learning_rate) {
  if (kept == 0 || direction == 0) return learning_rate;
  return learning_rate * (square_root(kept) / square_root(direction));
}

}  // namespace strop
