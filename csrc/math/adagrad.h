#pragma once

#include "math/macros.h"

namespace strop {

struct AdagradRule {
  static constexpr bool kCounts = false;
  double eps;
  bool keras;
};

// Adagrad (Duchi et al. 2011): eps stands inside the root in the Keras dialect
// and outside in torch's; the other one is 0.
template <typename T>
struct Adagrad {
  using Settings = AdagradRule;

  static constexpr unsigned kStates = 1, kOptional = 0;  // sum_square
  static constexpr bool kFlushes = true;

  T eps_inside;
  T eps_outside;
  T learning_rate;
};

template <typename T>
STROP_HD Adagrad<T> coefficients_of(const AdagradRule& r,
                                    double learning_rate) {
  return {T(r.keras ? r.eps : 0), T(r.keras ? 0 : r.eps), T(learning_rate)};
}

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& sum_square, T&, T&, const Adagrad<T>& c) {
  sum_square += grad * grad;
  const T root = square_root(sum_square + c.eps_inside) + c.eps_outside;
  return c.learning_rate * (grad / root);
}

}  // namespace strop
