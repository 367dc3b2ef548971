#pragma once

#include "math/update.h"

namespace strop {

struct LionRule {
  static constexpr bool kCounts = false;
  double beta1, beta2;
};

// Lion (Chen et al. 2023). Only the sign of the mixture moves the parameter, so
// denormal numbers are not taken as zero here.
template <typename T>
struct Lion {
  using Settings = LionRule;

  static constexpr unsigned kStates = 1, kOptional = 0;  // moment1
  static constexpr bool kFlushes = false;

  T beta1;
  T one_minus_beta1;
  T beta2;
  T one_minus_beta2;
  T learning_rate;
};

template <typename T>
STROP_HD Lion<T> coefficients_of(const LionRule& r, double learning_rate) {
  return {T(r.beta1), T(1 - r.beta1), T(r.beta2), T(1 - r.beta2),
          T(learning_rate)};
}

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& moment1, T&, T&, const Lion<T>& c) {
  const T mixture = c.beta1 * moment1 + c.one_minus_beta1 * grad;
  moment1 = c.beta2 * moment1 + c.one_minus_beta2 * grad;
  return c.learning_rate * sign_of(mixture);
}

}  // namespace strop
