#pragma once

#include "kernels/base.h"

namespace strop {

enum class Pool { kMax, kAverage };

// Windows over the two middle axes of (batch, height, width, channels); of a
// sequence the height is 1. Row i of the result has the rows
// [i * stride_height - pad_top, ... + window_height) of x: those that x has, of
// which there is one at least. What lies beyond is never counted.
struct PoolWindows {
  Index batch, height, width, channels;
  Index out_height, out_width;
  Index window_height, window_width;
  Index stride_height, stride_width;
  Index pad_top, pad_left;
};

// out = the greatest of each window, a NaN before all, or the mean.
template <typename T>
struct PoolForward {
  const T* x;
  T* out;
  PoolWindows windows;
  Pool which;
};

// The gradient goes to the first of the greatest (the first NaN), or in equal
// shares to all. `x` and `out` are read for kMax only.
template <typename T>
struct PoolBackward {
  const T* grad;
  const T* x;
  const T* out;
  T* grad_x;
  PoolWindows windows;
  Pool which;
};

#define STROP_POOL_KERNELS(X) \
  X(pool_forward, PoolForward) X(pool_backward, PoolBackward)

STROP_DECLARE_KERNELS(STROP_POOL_KERNELS, STROP_DECLARE)

}  // namespace strop
