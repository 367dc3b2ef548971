#pragma once

#include "bind/array.h"
#include "bind/backend.h"

// Checks that the bindings of normalization share.

namespace strop::bind {

// gamma or beta: null, or like x and of that shape.
inline Array scale_parameter(const char* op, const char* name,
                             py::handle object, const Array& x,
                             const std::vector<Index>& shape) {
  const Array a = borrow_optional(op, name, object);
  if (a.address == nullptr) return a;
  require_dtype_like(op, a, x);
  require_shape(op, a, shape);
  return a;
}

inline py::object new_like(const Array& x) {
  return new_array(std::vector<Index>(x.shape, x.shape + x.ndim), x.dtype);
}

// What a backward pass is given of the forward pass.
struct Normalized {
  Array grad, x, mean, variance;

  Normalized(const char* op, py::handle grad_object, py::handle x_object,
             py::handle mean_object, py::handle variance_object)
      : grad(borrow(op, "grad", grad_object)),
        x(borrow(op, "x", x_object)),
        mean(borrow(op, "mean", mean_object)),
        variance(borrow(op, "variance", variance_object)) {
    require_float(op, grad);
    require_dtype_like(op, x, grad);
    require_same_shape(op, grad, x);
  }

  void require_statistics(const char* op,
                          const std::vector<Index>& shape) const {
    for (const Array* each : {&mean, &variance}) {
      require_dtype(op, *each, DType::kFloat64);
    }
    for (const Array* each : {&mean, &variance}) {
      require_shape(op, *each, shape);
    }
  }
};

}  // namespace strop::bind
