#pragma once

#include "kernels/base.h"
#include "math/adam.h"
#include "math/gradient.h"

namespace strop {

// One parameter tensor of a step: four arrays of `size` elements that do not
// overlap. `param` and the moments are updated, `grad` is only read.
// `max_moment2` is null but for AMSGrad.
template <typename T>
struct AdamTensor {
  T* param;
  T* moment1;
  T* moment2;
  T* max_moment2;
  const T* grad;
  Index size;
  T decay;                  // in place of the coefficients' own
  double weight_decay = 0;  // `decay` by the learning rate, for `numbers`
};

// Many tensors in one call, so that a hundred small ones cost one.
template <typename T>
struct AdamStep {
  const AdamTensor<T>* tensors;
  Index count;
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  DeviceNumbers<AdamRule> numbers = {};
};

// The same for the rows that have a gradient; the others stand still.
template <typename T>
struct AdamRows {
  T* param;  // (V, D), as the moments
  T* moment1;
  T* moment2;
  T* max_moment2;  // or null
  const T* grad;   // (R, D)
  Ids rows;        // (R), each once
  Index width;     // D
  Index stride;    // from row to row of param and of the moments
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  Index table_rows = 0;  // V; CUDA holds the ids against it
  double weight_decay = 0;
  DeviceNumbers<AdamRule> numbers = {};
};

#define STROP_ADAM_KERNELS(X) X(adam_step, AdamStep) X(adam_rows, AdamRows)

STROP_DECLARE_KERNELS(STROP_ADAM_KERNELS, STROP_DECLARE)

}  // namespace strop
