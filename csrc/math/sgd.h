#pragma once

#include "math/macros.h"

namespace strop {

// Stochastic gradient descent with momentum, in one form for both dialects:
//
//     velocity = momentum * velocity + intake * grad
//     param    = decay * param + velocity_weight * velocity + grad_weight *
//     grad
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
  T decay;
};

template <typename T>
STROP_HD void sgd_plain(T& param, T grad, const SgdCoefficients<T>& c) {
  param = c.decay * param + c.grad_weight * grad;
}

template <typename T>
STROP_HD void sgd_momentum(T& param, T& velocity, T grad,
                           const SgdCoefficients<T>& c) {
  velocity = c.momentum * velocity + c.intake * grad;
  param =
      c.decay * param + (c.velocity_weight * velocity + c.grad_weight * grad);
}

}  // namespace strop
