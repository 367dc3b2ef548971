#pragma once

#include "cuda/common.cuh"
#include "math/activation.h"

// The activations that a product applies to its result, chosen as it runs.

namespace strop::cuda {

// relu lets NaN through.
template <typename T>
__device__ __forceinline__ T rectified(T x) {
  return x <= T(0) ? T(0) : x;
}

template <typename T>
__device__ __forceinline__ T activated(Activation which, T x) {
  switch (which) {
    case Activation::kRelu:
      return rectified(x);
    case Activation::kSigmoid:
      return activate<Activation::kSigmoid>(x, {});
    case Activation::kTanh:
      return activate<Activation::kTanh>(x, {});
    default:
      return x;
  }
}

// The gradient before the activation whose value was y.
template <typename T>
__device__ __forceinline__ T with_slope(Activation which, T grad, T y) {
  switch (which) {
    case Activation::kRelu:
      return y <= T(0) ? T(0) : grad;  // a NaN lets the gradient through
    case Activation::kSigmoid:
      return grad * slope<Activation::kSigmoid>(y, y, {});
    case Activation::kTanh:
      return grad * slope<Activation::kTanh>(y, y, {});
    default:
      return grad;
  }
}

}  // namespace strop::cuda
