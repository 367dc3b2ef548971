#pragma once

#include "bind/array.h"
#include "kernels/window.h"
#include "math/activation.h"

namespace strop::bind {

// The settings of a convolution as Python gives them: two ints each, pads as
// ((top, bottom), (left, right)).
struct WindowSettings {
  py::handle strides, padding, dilation;
};

// Where the windows of a kernel lie on x (N, H, W, C), both of four axes;
// ValueError where a setting is out of range or the kernel does not fit.
Window window_of(const char* op, const Array& x, const Array& kernel,
                 const WindowSettings& settings);

// Four axes of a float type.
Array image_of(const char* op, const char* name, py::handle object);

// Terms of an output, at most. Some 64 of them take as long as what Release
// counts as an element.
inline Index taps_of(const Array& kernel) {
  return kernel.shape[0] * kernel.shape[1] * kernel.shape[2];
}

// What the forward pass gave, where a slope needs it; ValueError if missing.
Array output_of(const char* op, py::handle object, Activation activation,
                const Array& grad, const char* forward);

// An int of at least `least`.
Index whole_of(const char* op, const char* name, py::handle object,
               Index least);

}  // namespace strop::bind
