#pragma once

#include "kernels/window.h"
#include "math/activation.h"

namespace strop {

// Each channel by kernels of its own: out[n, i, j, c D + d] = activation(sum of
// x[n, i sh + h dh - pt, j sw + w dw - pl, c] kernel[h, w, c, d] over h and w,
// plus bias[c D + d]). An element is one fmadd per tap in order from zero, then
// the bias: an image has the same bits in any batch.
template <typename T>
struct DepthwiseConv {
  const T* x;       // (N, H, W, C)
  const T* kernel;  // (KH, KW, C, D)
  const T* bias;    // (C D) or null
  T* out;           // (N, OH, OW, C D), overlaps none of the others
  Window window;
  Index multiplier;       // D
  Activation activation;  // kLinear, kRelu, kSigmoid or kTanh
};

// Its gradients; grad_x is a sum over the outputs in their order, the others
// are sums over parts of the batch as those of conv.
template <typename T>
struct DepthwiseConvBackward {
  const T* grad;    // (N, OH, OW, C D)
  const T* x;       // (N, H, W, C)
  const T* kernel;  // (KH, KW, C, D)
  const T* output;  // (N, OH, OW, C D), what the forward gave; null if linear
  T* grad_x;        // (N, H, W, C) or null
  T* grad_kernel;   // (KH, KW, C, D)
  T* grad_bias;     // (C D) or null
  Window window;
  Index multiplier;
  Activation activation;
};

#define STROP_DEPTHWISE_CONV_KERNELS(X) \
  X(depthwise_conv, DepthwiseConv)      \
  X(depthwise_conv_backward, DepthwiseConvBackward)

STROP_DECLARE_KERNELS(STROP_DEPTHWISE_CONV_KERNELS, STROP_DECLARE)

}  // namespace strop
