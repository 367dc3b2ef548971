#pragma once

#include "math/macros.h"

namespace strop {

// What a rule sees of a gradient: scale * grad + l2 * param. A clipping factor,
// a mean and maximize (-1) are scales; l2 is coupled decay, which torch calls
// weight_decay.
template <typename T>
struct Gradient {
  T scale = 1;
  T l2 = 0;
};

// Which of the two it has. Each form gets loops of its own: 0 * param would
// turn an infinite parameter into NaN, and a plain step spares both products.
enum class GradientForm { kPlain, kScaled, kDecayed };

template <typename T>
STROP_HD GradientForm form_of(const Gradient<T>& g) {
  if (g.l2 != T(0)) return GradientForm::kDecayed;
  return g.scale != T(1) ? GradientForm::kScaled : GradientForm::kPlain;
}

template <typename T>
STROP_HD T seen_gradient(GradientForm form, T grad, T param,
                         const Gradient<T>& g) {
  if (form == GradientForm::kPlain) return grad;
  if (form == GradientForm::kScaled) return g.scale * grad;
  return g.scale * grad + g.l2 * param;
}

}  // namespace strop
