#pragma once

#include "kernels/base.h"

namespace strop {

// Where a window of the kernel lies. Elements beyond the image are zeros: pads
// before it are given, those behind it follow from the size of the output.
struct Window {
  Index batch, height, width, channels;  // of x
  Index kernel_height, kernel_width;
  Index out_height, out_width;
  Index stride_height, stride_width;
  Index dilation_height, dilation_width;
  Index pad_top, pad_left;
};

}  // namespace strop
