#pragma once

#include "math/macros.h"

namespace strop {

struct AdadeltaRule {
  static constexpr bool kCounts = false;
  double rho, eps;
};

// Adadelta (Zeiler 2012), the same in both dialects. Two roots, not the root of
// the ratio: with a gradient of 1e19 that one underflows in float32.
template <typename T>
struct Adadelta {
  using Settings = AdadeltaRule;

  // States: mean_square, mean_square_move.
  static constexpr unsigned kStates = 1 + 2, kOptional = 0;
  static constexpr bool kFlushes = true;

  T rho;
  T one_minus_rho;
  T eps;
  T learning_rate;
};

template <typename T>
STROP_HD Adadelta<T> coefficients_of(const AdadeltaRule& r,
                                     double learning_rate) {
  return {T(r.rho), T(1 - r.rho), T(r.eps), T(learning_rate)};
}

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& mean_square, T& mean_square_move, T&,
                     const Adadelta<T>& c) {
  mean_square = c.rho * mean_square + c.one_minus_rho * grad * grad;
  const T move = square_root(mean_square_move + c.eps) /
                 square_root(mean_square + c.eps) * grad;
  mean_square_move = c.rho * mean_square_move + c.one_minus_rho * move * move;
  return c.learning_rate * move;
}

}  // namespace strop
