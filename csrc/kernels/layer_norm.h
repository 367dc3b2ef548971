#pragma once

#include "kernels/base.h"

namespace strop {

// Rows of x (rows, width), each by itself:
// out = (x - mean) / sqrt(variance + epsilon) * gamma + beta. The statistics
// are in double, and with them an offset of float32 inputs costs no digits.
template <typename T>
struct LayerNorm {
  const T* x;
  const T* gamma;  // (width,), or null: 1
  const T* beta;   // (width,), or null: 0
  T* out;
  double* mean;      // (rows,)
  double* variance;  // biased
  Index rows, width;
  double epsilon;
};

template <typename T>
struct LayerNormBackward {
  const T* grad;
  const T* x;
  const T* gamma;
  const double* mean;
  const double* variance;
  T* grad_x;  // or null
  T* grad_gamma;
  T* grad_beta;
  double* workspace;
  Index rows, width;
  double epsilon;
};

#define STROP_LAYER_NORM_KERNELS(X) \
  X(layer_norm, LayerNorm) X(layer_norm_backward, LayerNormBackward)

STROP_DECLARE_KERNELS(STROP_LAYER_NORM_KERNELS, STROP_DECLARE)

// Rows whose gradients of gamma and beta are summed in their own type, and the
// rows of a chunk, of which there are 16 at most.
inline constexpr Index kNormBlock = 32;

STROP_HD Index layer_norm_chunk(Index rows) {
  const Index blocks = (rows + 16 * kNormBlock - 1) / (16 * kNormBlock);
  return kNormBlock * (blocks > 1 ? blocks : 1);
}

// Doubles that backward works in: for each chunk two sums per column, and as
// many of a block.
STROP_HD Index layer_norm_workspace(Index rows, Index width) {
  const Index chunk = layer_norm_chunk(rows);
  return (rows + chunk - 1) / chunk * 4 * width;
}

}  // namespace strop
