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

// Rows whose gradients of gamma and beta are summed in their own type, while
// they are in cache; and those of a chunk, of which there are 64 at most.
STROP_HD Index layer_norm_block(Index width) {
  const Index fitting = 16384 / (width + 1);
  return fitting < 8 ? 8 : fitting > 64 ? 64 : fitting;
}

STROP_HD Index layer_norm_chunk(Index rows, Index width) {
  const Index block = layer_norm_block(width);
  const Index blocks = (rows + 64 * block - 1) / (64 * block);
  return block * (blocks > 1 ? blocks : 1);
}

// Doubles that backward works in: two sums per column and chunk.
STROP_HD Index layer_norm_workspace(Index rows, Index width) {
  const Index chunk = layer_norm_chunk(rows, width);
  return (rows + chunk - 1) / chunk * 2 * width;
}

}  // namespace strop
