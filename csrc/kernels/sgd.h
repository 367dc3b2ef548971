#pragma once

#include "kernels/base.h"
#include "math/gradient.h"
#include "math/sgd.h"

namespace strop {

// One parameter tensor of a step. `velocity` is null without momentum.
template <typename T>
struct SgdTensor {
  T* param;
  T* velocity;
  const T* grad;
  Index size;
  T decay;  // in place of the coefficients' own
  double weight_decay = 0;
};

template <typename T>
struct SgdStep {
  const SgdTensor<T>* tensors;
  Index count;
  SgdCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  DeviceNumbers<SgdRule> numbers = {};
};

// The same for the rows that have a gradient; the others stand still.
template <typename T>
struct SgdRows {
  T* param;       // (V, D), as the velocity
  T* velocity;    // or null
  const T* grad;  // (R, D)
  Ids rows;       // (R), each once
  Index width;    // D
  Index stride;   // from row to row of param and of the velocity
  SgdCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  Index table_rows = 0;  // V; CUDA holds the ids against it
  double weight_decay = 0;
  DeviceNumbers<SgdRule> numbers = {};
};

#define STROP_SGD_KERNELS(X) X(sgd_step, SgdStep) X(sgd_rows, SgdRows)

STROP_DECLARE_KERNELS(STROP_SGD_KERNELS, STROP_DECLARE)

}  // namespace strop
