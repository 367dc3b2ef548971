#pragma once

#include "math/macros.h"
#include "math/power.h"
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

// Every math/<rule>.h has such settings, and the coefficients of a step from
// them, worked out in double and rounded once: by the host, or by a kernel
// where the numbers of the step stand in device memory.
struct AdamRule {
  static constexpr bool kCounts = true;  // the step has a part in it
  double beta1, beta2, eps;
  bool hat, bias_correction;
};

template <typename T>
STROP_HD AdamCoefficients<T> coefficients_of(const AdamRule& r,
                                             std::int64_t step,
                                             double learning_rate,
                                             double weight_decay = 0) {
  const double c1 = r.bias_correction ? one_minus_power(r.beta1, step) : 1;
  const double c2 = r.bias_correction ? one_minus_power(r.beta2, step) : 1;
  const double inv_root_c2 = 1 / square_root(c2);
  return {T(r.beta1),
          T(1 - r.beta1),
          T(r.beta2),
          T(1 - r.beta2),
          T(learning_rate / c1),
          T(inv_root_c2),
          T(r.hat ? r.eps * inv_root_c2 : r.eps),
          T(learning_rate * weight_decay)};
}

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
