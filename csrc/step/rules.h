#pragma once

#include <cmath>

#include "kernels.h"
#include "math/power.h"

namespace strop::step {

// The numbers of one step, worked out on the host in double.

struct AdamRule {
  double beta1, beta2, eps;
  bool hat, bias_correction;
};

template <typename T>
AdamCoefficients<T> coefficients_of(const AdamRule& r, std::int64_t step,
                                    double learning_rate, double weight_decay) {
  const double c1 = r.bias_correction ? one_minus_power(r.beta1, step) : 1;
  const double c2 = r.bias_correction ? one_minus_power(r.beta2, step) : 1;
  const double inv_root_c2 = 1 / std::sqrt(c2);
  return {T(r.beta1),
          T(1 - r.beta1),
          T(r.beta2),
          T(1 - r.beta2),
          T(learning_rate / c1),
          T(inv_root_c2),
          T(r.hat ? r.eps * inv_root_c2 : r.eps),
          T(learning_rate * weight_decay)};
}

struct SgdRule {
  double momentum, dampening;
  bool nesterov, keras;
  bool moving;  // there is a velocity
};

// The coefficients of math/sgd.h for a dialect.
template <typename T>
SgdCoefficients<T> coefficients_of(const SgdRule& r, double learning_rate,
                                   double weight_decay) {
  const T decay = T(learning_rate * weight_decay);
  if (!r.moving) return {0, 0, 0, T(-learning_rate), decay};
  if (r.keras) {
    return {T(r.momentum), T(-learning_rate), T(r.nesterov ? r.momentum : 1),
            T(r.nesterov ? -learning_rate : 0), decay};
  }
  const double weight = -learning_rate * (r.nesterov ? r.momentum : 1);
  return {T(r.momentum), T(1 - r.dampening), T(weight),
          T(r.nesterov ? -learning_rate : 0), decay};
}

struct RmspropRule {
  double rho, momentum, eps;
  bool keras;
};

// The coefficients of math/rmsprop.h for a dialect.
template <typename T>
Rmsprop<T> coefficients_of(const RmspropRule& r, double learning_rate) {
  return {T(r.rho),
          T(1 - r.rho),
          RunningMean<T>::of(r.rho),
          T(r.keras ? r.eps : 0),
          T(r.keras ? 0 : r.eps),
          T(r.momentum),
          T(r.keras ? learning_rate : 1),
          T(r.keras ? 1 : learning_rate),
          T(learning_rate)};
}

}  // namespace strop::step
