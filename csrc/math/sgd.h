#pragma once

#include "math/macros.h"
#include "math/update.h"

namespace strop {

// Stochastic gradient descent with momentum, in one form for both dialects:
//
//     velocity = momentum * velocity + intake * grad
//     param   += velocity_weight * velocity + grad_weight * grad
//              - decay * param
//
//             intake          velocity_weight  grad_weight
//   Keras     -learning_rate  1                0
//   Nesterov  -learning_rate  momentum         -learning_rate
//   torch     1 - dampening   -learning_rate   0
//   Nesterov  1               -learning_rate * momentum   -learning_rate
//
// Without momentum only decay and grad_weight = -learning_rate act.
template <typename T>
struct SgdCoefficients {
  T momentum;
  T intake;
  T velocity_weight;
  T grad_weight;
  T decay;  // learning_rate * weight_decay
};

struct SgdRule {
  static constexpr bool kCounts = false;
  double momentum, dampening;
  bool nesterov, keras;
  bool moving;  // there is a velocity
};

template <typename T>
STROP_HD SgdCoefficients<T> coefficients_of(const SgdRule& r,
                                            double learning_rate,
                                            double weight_decay = 0) {
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

template <typename T>
STROP_HD void sgd_plain(T& param, T grad, const SgdCoefficients<T>& c) {
  param += c.grad_weight * grad - lost_share(param, c.decay);
}

template <typename T>
STROP_HD void sgd_momentum(T& param, T& velocity, T grad,
                           const SgdCoefficients<T>& c) {
  velocity = c.momentum * velocity + c.intake * grad;
  const T move = c.velocity_weight * velocity + c.grad_weight * grad;
  param += move - lost_share(param, c.decay);
}

}  // namespace strop
