#pragma once

#include "math/power.h"
#include "math/update.h"

namespace strop {

struct AdamaxRule {
  static constexpr bool kCounts = true;
  double beta1, beta2, eps;
  bool keras;
};

// AdaMax (Kingma and Ba 2015, section 7.1). torch adds eps to each |grad|
// (`eps_inside`), Keras to their running maximum (`eps_outside`).
template <typename T>
struct Adamax {
  using Settings = AdamaxRule;

  // States: moment1, max_grad.
  static constexpr unsigned kStates = 1 + 2, kOptional = 0;
  static constexpr bool kFlushes = true;

  RunningMean<T> mean;
  T beta2;
  T eps_inside;
  T eps_outside;
  T step_size;  // learning_rate / (1 - beta1^t)
};

template <typename T>
STROP_HD Adamax<T> coefficients_of(const AdamaxRule& r, std::int64_t step,
                                   double learning_rate) {
  return {RunningMean<T>::of(r.beta1), T(r.beta2), T(r.keras ? 0 : r.eps),
          T(r.keras ? r.eps : 0),
          T(learning_rate / one_minus_power(r.beta1, step))};
}

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& moment1, T& max_grad, T&, const Adamax<T>& c) {
  moment1 = mean_after(moment1, grad, c.mean);
  const T kept = c.beta2 * max_grad;
  const T size = (grad < 0 ? -grad : grad) + c.eps_inside;
  const T top = kept > size ? kept : size;  // NaN where size is
  max_grad = kept != kept ? kept : top;
  return c.step_size * (moment1 / (max_grad + c.eps_outside));
}

}  // namespace strop
