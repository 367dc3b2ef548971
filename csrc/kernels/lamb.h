#pragma once

#include "kernels/base.h"
#include "math/gradient.h"
#include "math/lamb.h"

namespace strop {

// Elements of a tensor that share one partial sum of its norms. Fixed: the
// order of a sum depends on the size alone.
inline constexpr Index kLambBlock = 1024;

// One parameter tensor of a step: four arrays of `size` elements that do not
// overlap. All but `grad` are updated.
template <typename T>
struct LambTensor {
  T* param;
  const T* grad;
  T* moment1;
  T* moment2;
  Index size;
  T lost;  // both decays: math/lamb.h
  T inside;
  double weight_decay = 0;  // `lost` by the learning rate, for `numbers`
};

// `sums`: room for 2 numbers per block of each tensor. `steps`: room for one
// per tensor.
template <typename T>
struct LambStep {
  const LambTensor<T>* tensors;
  Index count;
  Lamb<T> coefficients;
  Gradient<T> gradient;
  double learning_rate;
  double* sums;
  double* steps;
  DeviceNumbers<LambRule> numbers = {};
};

#define STROP_LAMB_KERNELS(X) X(lamb_step, LambStep)

STROP_DECLARE_KERNELS(STROP_LAMB_KERNELS, STROP_DECLARE)

}  // namespace strop
