#pragma once

#include "math/update.h"

namespace strop {

struct RmspropRule {
  static constexpr bool kCounts = false;
  double rho, momentum, eps;
  bool keras;
};

// RMSprop (Tieleman and Hinton 2012), in one form for both dialects:
//
//     mean_square = rho * mean_square + (1 - rho) * grad^2
//     mean_grad   = rho * mean_grad + (1 - rho) * grad           if centered
//     scaled      = grad / (sqrt(mean_square - mean_grad^2 + eps_inside)
//                           + eps_outside)
//     velocity    = momentum * velocity + intake * scaled        with momentum
//     change      = velocity_weight * velocity
//
//            eps_inside  eps_outside  intake         velocity_weight
//     Keras  eps         0            learning_rate  1
//     torch  0           eps          1              learning_rate
//
// Without momentum the change is learning_rate * scaled.
template <typename T>
struct Rmsprop {
  using Settings = RmspropRule;

  // States: mean_square, mean_grad or null, velocity or null.
  static constexpr unsigned kStates = 1, kOptional = 2 + 4;
  static constexpr bool kFlushes = true;

  T rho;
  T one_minus_rho;
  RunningMean<T> mean;
  T eps_inside;
  T eps_outside;
  T momentum;
  T intake;
  T velocity_weight;
  T learning_rate;
};

template <typename T>
STROP_HD Rmsprop<T> coefficients_of(const RmspropRule& r,
                                    double learning_rate) {
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

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& mean_square, T& mean_grad, T& velocity,
                     const Rmsprop<T>& c) {
  mean_square = c.rho * mean_square + c.one_minus_rho * grad * grad;
  T spread = mean_square;
  if constexpr ((kHas & 2) != 0) {
    mean_grad = mean_after(mean_grad, grad, c.mean);
    spread -= mean_grad * mean_grad;
  }
  const T scaled = grad / (square_root(spread + c.eps_inside) + c.eps_outside);
  if constexpr ((kHas & 4) == 0) return c.learning_rate * scaled;
  velocity = c.momentum * velocity + c.intake * scaled;
  return c.velocity_weight * velocity;
}

}  // namespace strop
