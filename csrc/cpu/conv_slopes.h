#pragma once

#include "kernels/base.h"
#include "math/activation.h"

// dz = grad * slope for rows of outputs, from what the forward pass gave.

namespace strop::cpu::STROP_ISA {
namespace {

template <Activation A, typename T>
void slope_row(const T* __restrict grad, const T* __restrict y,
               T* __restrict dz, Index size) {
  for (Index i = 0; i < size; ++i) {
    if constexpr (A == Activation::kLinear) {
      dz[i] = grad[i];
    } else if constexpr (A == Activation::kRelu) {
      // A NaN in the output lets the gradient through.
      dz[i] = y[i] <= 0 ? T(0) : grad[i];
    } else {
      dz[i] = grad[i] * slope<A>(y[i], y[i], {});
    }
  }
}

template <typename T>
void slope_row(Activation which, const T* grad, const T* y, T* dz, Index size) {
  switch (which) {
    case Activation::kRelu:
      return slope_row<Activation::kRelu>(grad, y, dz, size);
    case Activation::kSigmoid:
      return slope_row<Activation::kSigmoid>(grad, y, dz, size);
    case Activation::kTanh:
      return slope_row<Activation::kTanh>(grad, y, dz, size);
    default:
      return slope_row<Activation::kLinear>(grad, y, dz, size);
  }
}

// The sums over the pixels of a band.
template <typename T>
void sum_pixels(const T* dz, Index pixels, Index width, T* sums) {
  for (Index j = 0; j < width; ++j) sums[j] = 0;
  for (Index i = 0; i < pixels; ++i) {
    const T* __restrict row = dz + i * width;
    T* __restrict sum = sums;
    for (Index j = 0; j < width; ++j) sum[j] += row[j];
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
