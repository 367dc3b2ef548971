#pragma once

#include "math/power.h"
#include "math/update.h"

namespace strop {

struct NadamRule {
  static constexpr bool kCounts = true;
  double beta1, beta2, eps;
  double growth;  // 1 - 0.96^momentum_decay
  // The product of mu over the steps before, or in device memory a list of it
  // by step - 1, which goes on with zeros.
  double product;
  const double* products;
  std::int64_t listed;
};

// NAdam (Dozat 2016), the same in both dialects but for momentum_decay, which
// stands in mu = beta1 (1 - 0.96^(t momentum_decay) / 2). With P the product of
// mu up to this step and mu' the next one:
template <typename T>
struct Nadam {
  using Settings = NadamRule;

  // States: moment1, moment2.
  static constexpr unsigned kStates = 1 + 2, kOptional = 0;
  static constexpr bool kFlushes = true;

  RunningMean<T> mean;
  T beta2;
  T one_minus_beta2;
  T inv_root_c2;    // 1 / sqrt(1 - beta2^t)
  T eps;            // added to the corrected root
  T grad_weight;    // learning_rate (1 - mu) / (1 - P)
  T moment_weight;  // learning_rate mu' / (1 - P mu')
};

// mu of a step.
STROP_HD double nadam_momentum(const NadamRule& r, std::int64_t step) {
  return r.beta1 * (0.5 + 0.5 * lost_after(r.growth, step));
}

template <typename T>
STROP_HD Nadam<T> coefficients_of(const NadamRule& r, std::int64_t step,
                                  double learning_rate) {
  const double mu = nadam_momentum(r, step);
  const double next = nadam_momentum(r, step + 1);
  double product = r.product;
  if (r.products != nullptr) {
    product = step - 1 < r.listed ? r.products[step - 1] : 0;
  }
  product *= mu;
  const double c2 = one_minus_power(r.beta2, step);
  return {RunningMean<T>::of(r.beta1),
          T(r.beta2),
          T(1 - r.beta2),
          T(1 / square_root(c2)),
          T(r.eps),
          T(learning_rate * (1 - mu) / (1 - product)),
          T(learning_rate * next / (1 - product * next))};
}

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& moment1, T& moment2, T&, const Nadam<T>& c) {
  moment1 = mean_after(moment1, grad, c.mean);
  moment2 = c.beta2 * moment2 + c.one_minus_beta2 * grad * grad;
  const T root = square_root(moment2) * c.inv_root_c2 + c.eps;
  return (c.grad_weight * grad + c.moment_weight * moment1) / root;
}

}  // namespace strop
