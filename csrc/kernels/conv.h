#pragma once

#include "kernels/window.h"
#include "math/activation.h"

namespace strop {

// out = activation(conv(x, kernel) + bias), the kernel not turned:
// out[n, i, j, f] = sum of x[n, i sh + h dh - pt, j sw + w dw - pl, c]
// kernel[h, w, c, f] over h, w and c. An element is one fmadd per term in that
// order from zero over a block of the sum; the blocks are added in order, then
// the bias. The bounds of the blocks depend on the size of the kernel alone, so
// an image has the same bits in any batch, on every set with FMA and for any
// number of threads. A kernel of 1 x 1 without strides, pads and groups is
// matmul.
template <typename T>
struct Conv {
  const T* x;       // (N, H, W, C)
  const T* kernel;  // (KH, KW, C / groups, F)
  const T* bias;    // (F) or null
  T* out;           // (N, OH, OW, F), overlaps none of the others
  Window window;
  Index filters, groups;
  Activation activation;  // kLinear, kRelu, kSigmoid or kTanh
};

// The gradients of the above, with dz = grad * slope. grad_x is a sum over the
// windows that hold an element, in the order of their outputs and taps;
// grad_kernel and grad_bias are sums over parts of the outputs, which depend on
// the sizes alone, in order.
template <typename T>
struct ConvBackward {
  const T* grad;    // (N, OH, OW, F)
  const T* x;       // (N, H, W, C)
  const T* kernel;  // (KH, KW, C / groups, F)
  const T* output;  // (N, OH, OW, F), what the forward gave; null if linear
  T* grad_x;        // (N, H, W, C) or null
  T* grad_kernel;   // (KH, KW, C / groups, F)
  T* grad_bias;     // (F) or null
  Window window;
  Index filters, groups;
  Activation activation;
};

#define STROP_CONV_KERNELS(X) X(conv, Conv) X(conv_backward, ConvBackward)

STROP_DECLARE_KERNELS(STROP_CONV_KERNELS, STROP_DECLARE)

}  // namespace strop
