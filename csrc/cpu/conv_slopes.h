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

// Pixels that are summed as one long row, and up to which width: a loop over
// the channels of one pixel would take longer to begin than to run.
constexpr Index kChains = 8;
constexpr Index kFewChannels = 64;

template <typename T>
void add_row(const T* __restrict row, T* __restrict sums, Index size) {
  for (Index j = 0; j < size; ++j) sums[j] += row[j];
}

// The sums over the pixels of a band.
template <typename T>
void sum_pixels(const T* dz, Index pixels, Index width, T* sums) {
  T chains[kChains * kFewChannels];
  const bool few = width <= kFewChannels;
  const Index count = few ? kChains : 1;
  T* running = few ? chains : sums;
  for (Index j = 0; j < count * width; ++j) running[j] = 0;
  Index i = 0;
  for (; i + count <= pixels; i += count) {
    add_row(dz + i * width, running, count * width);
  }
  for (; i < pixels; ++i) add_row(dz + i * width, running, width);
  if (!few) return;
  for (Index j = 0; j < width; ++j) sums[j] = chains[j];
  for (i = 1; i < count; ++i) add_row(chains + i * width, sums, width);
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
