#pragma once

#include "kernels/base.h"
#include "math/loss.h"

namespace strop {

// Elements whose terms are added to one partial sum. Fixed: the order of the
// sum depends on the size alone.
inline constexpr Index kLossChunk = 4096;

// What CUDA has before the partial sums of a loss: a ticket and a count.
inline constexpr Index kLossHeader = 2;

// Loss and gradient of N rows of D elements: the mean over a row (the sum for
// one that adds_up), then sum(weight * row) * scale with scale = 1/N. `grad`
// gets the gradient of that.
template <typename T>
struct PointwiseLossArgs {
  const T* pred;      // (N, D)
  const T* target;    // (N, D)
  const T* weight;    // (N), or null
  T* grad;            // (N, D)
  T* probabilities;   // (N, D) or null: sigmoid(pred) of the cross-entropy
  double* partials;   // one per kLossChunk elements: sums of weight * term
  Index rows, width;  // N, D
  PointwiseLoss which;
  T delta = 1;              // of Huber's loss
  double* value = nullptr;  // CUDA: the mean
};

#define STROP_LOSS_KERNELS(X) X(pointwise_loss, PointwiseLossArgs)

STROP_DECLARE_KERNELS(STROP_LOSS_KERNELS, STROP_DECLARE)

}  // namespace strop
