#pragma once

#include "math/update.h"

namespace strop {

struct RpropRule {
  static constexpr bool kCounts = false;
  double shrink, grow, smallest, greatest;
};

// Rprop (Riedmiller and Braun 1993), as torch has it: where the sign of the
// gradient turns, the step shrinks and the element rests for this step. Signs
// of products decide, so denormal numbers are not taken as zero here; the sign
// of NaN is 0, torch's.
template <typename T>
struct Rprop {
  using Settings = RpropRule;

  // States: previous_grad, step_size.
  static constexpr unsigned kStates = 1 + 2, kOptional = 0;
  static constexpr bool kFlushes = false;

  T shrink;
  T grow;
  T smallest;
  T greatest;
};

template <typename T>
STROP_HD Rprop<T> coefficients_of(const RpropRule& r, double) {
  return {T(r.shrink), T(r.grow), T(r.smallest), T(r.greatest)};
}

template <unsigned kHas, typename T>
STROP_HD T change_of(T grad, T& previous_grad, T& step_size, T&,
                     const Rprop<T>& c) {
  const T product = grad * previous_grad;
  const T factor = product > 0 ? c.grow : product < 0 ? c.shrink : T(1);
  T size = step_size * factor;
  size = size < c.smallest ? c.smallest : size;
  size = size > c.greatest ? c.greatest : size;
  step_size = size;
  previous_grad = product < 0 ? T(0) : grad;
  const T sign = previous_grad > 0 ? T(1) : previous_grad < 0 ? T(-1) : T(0);
  return sign * size;
}

}  // namespace strop
