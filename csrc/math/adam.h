#pragma once

#include "math/macros.h"
#include "math/update.h"

namespace strop {

// Coefficients of one Adam step, worked out once per call in double: in
// float32, `1 - beta2` for beta2 = 0.999 is already wrong by 1 part in 77,000.
template <typename T>
struct AdamCoefficients {
  T beta1;
  T one_minus_beta1;
  T beta2;
  T one_minus_beta2;
  T step_size;    // learning_rate / (1 - beta1^t)
  T inv_root_c2;  // 1 / sqrt(1 - beta2^t)
  T eps;          // times inv_root_c2 in the Keras form, "epsilon hat"
  T decay;        // learning_rate * weight_decay, the share that is lost
};

// Both moments of one element, from its gradient.
template <typename T>
STROP_HD void adam_moments(T& moment1, T& moment2, T grad,
                           const AdamCoefficients<T>& c) {
  moment1 = c.beta1 * moment1 + c.one_minus_beta1 * grad;
  moment2 = c.beta2 * moment2 + c.one_minus_beta2 * grad * grad;
}

// The parameter after a step with the given moments, decoupled weight decay
// included (Loshchilov and Hutter 2019, algorithm 2). Only + - * / sqrt, so
// every instruction set and CUDA give the same bits. The lost share is taken
// off rather than multiplied by 1 - share, which in float32 would be wrong by
// 0.6 % of a decay of 1e-5 per step.
template <typename T>
STROP_HD T adam_param(T param, T moment1, T moment2,
                      const AdamCoefficients<T>& c) {
  const T root = square_root(moment2) * c.inv_root_c2 + c.eps;
  return param - (lost_share(param, c.decay) + c.step_size * moment1 / root);
}

}  // namespace strop
