#pragma once

#include "kernels/base.h"
#include "math/activation.h"

namespace strop {

// out = activate(x). `out` may be `x`.
template <typename T>
struct ActivationForward {
  const T* x;
  T* out;
  Index size;
  Activation which;
  ActivationSettings<T> settings;
};

// grad_x = grad * slope(x, out). `grad_x` may be `grad`.
template <typename T>
struct ActivationBackward {
  const T* grad;
  const T* x;
  const T* out;
  T* grad_x;
  Index size;
  Activation which;
  ActivationSettings<T> settings;
};

#define STROP_ACTIVATION_KERNELS(X)        \
  X(activation_forward, ActivationForward) \
  X(activation_backward, ActivationBackward)

STROP_DECLARE_KERNELS(STROP_ACTIVATION_KERNELS, STROP_DECLARE)

}  // namespace strop
