#include "kernels/pool.h"

#include <pybind11/stl.h>

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

using Pair = std::pair<Index, Index>;

// Windows along one axis.
struct Axis {
  Index window, stride;
  Pair pads;  // before and after
};

// How many windows an axis has; 0 for an axis of 0. Far below overflow, so that
// kernels need not look.
Index windows_on(const char* op, Index size, const Axis& axis) {
  constexpr Index kMost = Index{1} << 31;
  const auto [before, after] = axis.pads;
  if (axis.window < 1 || axis.window > kMost || axis.stride < 1 ||
      axis.stride > kMost || before < 0 || before >= axis.window || after < 0 ||
      after >= axis.window) {
    raise_value(op,
                "window and strides must be 1 or more and below 2**31, "
                "padding 0 or more and below the window");
  }
  if (size == 0) return 0;
  const Index beyond = size + before + after - axis.window;
  return beyond < 0 ? -1 : beyond / axis.stride + 1;
}

// Windows on an array of (N, H, W, C) or (N, T, C), and the shape of the
// result.
struct Frame {
  PoolWindows windows;
  bool flat;  // (N, T, C)

  std::vector<Index> shape(Index height, Index width) const {
    std::vector<Index> sizes{windows.batch, height, width, windows.channels};
    if (flat) sizes.erase(sizes.begin() + 1);
    return sizes;
  }
  std::vector<Index> x_shape() const {
    return shape(windows.height, windows.width);
  }
  std::vector<Index> out_shape() const {
    return shape(windows.out_height, windows.out_width);
  }
};

Frame frame_of(const char* op, const char* name, const py::ssize_t* shape,
               int ndim, const Axis& rows, const Axis& columns) {
  if (ndim != 3 && ndim != 4) {
    raise_value(op, std::string(name) +
                        " must have 3 axes (N, T, C) or 4 (N, H, W, C); got "
                        "shape " +
                        shape_text(shape, ndim));
  }
  const bool flat = ndim == 3;
  const Index height = flat ? 1 : shape[1];
  const Index width = shape[ndim - 2];
  const PoolWindows w{shape[0],
                      height,
                      width,
                      shape[ndim - 1],
                      windows_on(op, height, rows),
                      windows_on(op, width, columns),
                      rows.window,
                      columns.window,
                      rows.stride,
                      columns.stride,
                      rows.pads.first,
                      columns.pads.first};
  if (w.out_height < 0 || w.out_width < 0) {
    const std::string window = std::to_string(columns.window);
    raise_value(op, std::string(name) + " must hold a window of (" +
                        (flat ? window + ","
                              : std::to_string(rows.window) + ", " + window) +
                        ") with its padding; got shape " +
                        shape_text(shape, ndim));
  }
  return {w, flat};
}

py::object forward(const char* op, Pool which, py::handle x_object,
                   const Axis& rows, const Axis& columns) {
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  const Frame frame = frame_of(op, "x", x.shape, x.ndim, rows, columns);
  const Queue queue(op, x);
  py::object result = new_array(frame.out_shape(), x.dtype);
  const Array out = borrow(op, "result", result);
  if (out.size() == 0) return result;
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const PoolForward<T> args{data<const T>(x), data<T>(out), frame.windows,
                              which};
    const Release unlocked(x.size());
    backend::pool_forward(args, queue.stream());
  });
  return result;
}

// x and out: null for a mean.
py::object backward(const char* op, const Array& grad, const Array* x,
                    const Array* out, const Frame& frame) {
  require_shape(op, grad, frame.out_shape());
  const Queue queue(op, grad);
  py::object result = new_array(frame.x_shape(), grad.dtype);
  const Array grad_x = borrow(op, "result", result);
  if (grad_x.size() == 0) return result;
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    const bool mean = x == nullptr;
    const PoolBackward<T> args{data<const T>(grad),
                               mean ? nullptr : data<const T>(*x),
                               mean ? nullptr : data<const T>(*out),
                               data<T>(grad_x),
                               frame.windows,
                               mean ? Pool::kAverage : Pool::kMax};
    const Release unlocked(grad_x.size());
    backend::pool_backward(args, queue.stream());
  });
  return result;
}

using Four = std::tuple<Index, Index, Index, Index>;

std::pair<Axis, Axis> axes(const Pair& window, const Pair& strides,
                           const Four& pads) {
  const auto [top, bottom, left, right] = pads;
  return {Axis{window.first, strides.first, {top, bottom}},
          Axis{window.second, strides.second, {left, right}}};
}

}  // namespace

void bind_pool(py::module_& m) {
  m.def(
      "max_pool",
      [](py::handle x, Pair window, Pair strides, Four pads) {
        const auto [rows, columns] = axes(window, strides, pads);
        return forward("max_pool", Pool::kMax, x, rows, columns);
      },
      "The greatest of each window.", py::arg("x"), py::arg("window"),
      py::arg("strides"), py::arg("pads"));
  m.def(
      "average_pool",
      [](py::handle x, Pair window, Pair strides, Four pads) {
        const auto [rows, columns] = axes(window, strides, pads);
        return forward("average_pool", Pool::kAverage, x, rows, columns);
      },
      "The mean of each window, without its padding.", py::arg("x"),
      py::arg("window"), py::arg("strides"), py::arg("pads"));
  m.def(
      "max_pool_backward",
      [](py::handle grad_object, py::handle x_object, py::handle out_object,
         Pair window, Pair strides, Four pads) {
        constexpr const char* op = "max_pool_backward";
        const Array grad = borrow(op, "grad", grad_object);
        const Array x = borrow(op, "x", x_object);
        const Array out = borrow(op, "output", out_object);
        require_float(op, grad);
        require_dtype_like(op, x, grad);
        require_dtype_like(op, out, grad);
        const auto [rows, columns] = axes(window, strides, pads);
        const Frame frame = frame_of(op, "x", x.shape, x.ndim, rows, columns);
        require_shape(op, out, frame.out_shape());
        return backward(op, grad, &x, &out, frame);
      },
      "The gradient by x of max_pool.", py::arg("grad"), py::arg("x"),
      py::arg("output"), py::arg("window"), py::arg("strides"),
      py::arg("pads"));
  m.def(
      "average_pool_backward",
      [](py::handle grad_object, const std::vector<py::ssize_t>& shape,
         Pair window, Pair strides, Four pads) {
        constexpr const char* op = "average_pool_backward";
        const Array grad = borrow(op, "grad", grad_object);
        require_float(op, grad);
        const auto [rows, columns] = axes(window, strides, pads);
        for (const py::ssize_t size : shape) {
          if (size < 0) raise_value(op, "shape must have sizes of 0 or more");
        }
        const Frame frame = frame_of(op, "shape", shape.data(),
                                     int(shape.size()), rows, columns);
        return backward(op, grad, nullptr, nullptr, frame);
      },
      "The gradient by x of average_pool.", py::arg("grad"), py::arg("shape"),
      py::arg("window"), py::arg("strides"), py::arg("pads"));
}

}  // namespace strop::bind
