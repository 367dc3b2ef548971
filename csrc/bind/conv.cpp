#include "kernels/conv.h"

#include "bind/activation.h"
#include "bind/array.h"
#include "bind/backend.h"
#include "bind/window.h"

namespace strop::bind {
namespace {

// A pair of ints from `least` on; false if it is none.
bool read_pair(py::handle object, Index least, Index* pair) {
  if (!PyTuple_Check(object.ptr()) && !PyList_Check(object.ptr())) return false;
  if (PySequence_Fast_GET_SIZE(object.ptr()) != 2) return false;
  for (int i = 0; i < 2; ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(object.ptr(), i);
    if (!PyLong_Check(item) || PyBool_Check(item)) return false;
    pair[i] = PyLong_AsLongLong(item);
    PyErr_Clear();  // one that is too large is -1
    // Beyond any array, and no product of two of them overflows.
    if (pair[i] < least || pair[i] > Index{1} << 31) return false;
  }
  return true;
}

void require_pair(const char* op, const char* name, py::handle object,
                  Index* pair) {
  if (!read_pair(object, 1, pair)) {
    raise_value(op, std::string(name) + " must be two ints of 1 or more; got " +
                        std::string(py::repr(object)));
  }
}

// How many windows of this reach lie on so many pixels; an empty image has
// none.
Index outputs_of(Index size, Index reach, Index stride) {
  return size >= reach ? (size - reach) / stride + 1 : 0;
}

std::string by(Index a, Index b) {
  return std::to_string(a) + " x " + std::to_string(b);
}

struct Arguments {
  py::handle x, kernel;
  WindowSettings settings;
  py::handle groups;
  py::handle activation;
};

struct Operands {
  Array x, kernel;
  Window window;
  Index filters, groups;
  Activation activation;
};

Operands operands_of(const char* op, const Arguments& given) {
  Operands o;
  o.x = image_of(op, "x", given.x);
  o.kernel = image_of(op, "kernel", given.kernel);
  require_dtype_like(op, o.kernel, o.x);
  o.groups = whole_of(op, "groups", given.groups, 1);
  o.filters = o.kernel.shape[3];
  const Index channels = o.x.shape[3];
  if (channels % o.groups != 0 || o.filters % o.groups != 0) {
    raise_value(op, "groups must divide the channels of x and of the kernel, " +
                        std::to_string(channels) + " and " +
                        std::to_string(o.filters) + "; got " +
                        std::to_string(o.groups));
  }
  if (o.kernel.shape[2] != channels / o.groups) {
    raise_value(op, "kernel must have third axis " +
                        std::to_string(channels / o.groups) +
                        ", the channels of x over groups; got shape " +
                        shape_text(o.kernel.shape, 4) + " for x of shape " +
                        shape_text(o.x.shape, 4));
  }
  o.window = window_of(op, o.x, o.kernel, given.settings);
  o.activation = fused_activation_of(op, given.activation);
  return o;
}

py::object conv(py::handle x, py::handle kernel, py::handle strides,
                py::handle padding, py::handle dilation, py::handle groups,
                py::handle bias_object, py::handle activation,
                py::handle out_object) {
  constexpr const char* op = "conv";
  const Operands o = operands_of(
      op, {x, kernel, {strides, padding, dilation}, groups, activation});
  const Window& w = o.window;
  const Array bias = borrow_optional(op, "bias", bias_object);
  if (!bias_object.is_none()) {
    require_dtype_like(op, bias, o.x);
    require_shape(op, bias, {o.filters});
  }
  Queue queue(op, o.x, o.kernel, bias);
  py::object result = output(op, out_object, o.x,
                             {w.batch, w.out_height, w.out_width, o.filters});
  const Array out = borrow(op, "out", result);
  queue.add(out);
  require_disjoint(op, out, o.x);
  require_disjoint(op, out, o.kernel);
  if (!bias_object.is_none()) require_disjoint(op, out, bias);
  visit_float(o.x, [&](auto zero) {
    using T = decltype(zero);
    const Conv<T> args{data<const T>(o.x),
                       data<const T>(o.kernel),
                       data<const T>(bias),
                       data<T>(out),
                       w,
                       o.filters,
                       o.groups,
                       o.activation};
    const Release unlocked(out.size() * taps_of(o.kernel) / 64);
    backend::conv(args, queue.stream());
  });
  return result;
}

py::tuple conv_backward(py::handle grad_object, py::handle x, py::handle kernel,
                        py::handle strides, py::handle padding,
                        py::handle dilation, py::handle groups,
                        py::handle output_object, py::handle activation,
                        bool bias, bool need_x) {
  constexpr const char* op = "conv_backward";
  const Array grad = image_of(op, "grad", grad_object);
  const Operands o = operands_of(
      op, {x, kernel, {strides, padding, dilation}, groups, activation});
  const Window& w = o.window;
  require_dtype_like(op, grad, o.x);
  require_shape(op, grad, {w.batch, w.out_height, w.out_width, o.filters});
  const Array output = output_of(op, output_object, o.activation, grad, "conv");
  const Queue queue(op, grad, o.x, o.kernel, output);
  py::object grad_x = py::none();
  py::object grad_bias = py::none();
  if (need_x)
    grad_x = new_array({w.batch, w.height, w.width, w.channels}, grad.dtype);
  if (bias) grad_bias = new_array({o.filters}, grad.dtype);
  py::object grad_kernel = new_array(
      std::vector<Index>(o.kernel.shape, o.kernel.shape + 4), grad.dtype);
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    const ConvBackward<T> args{
        data<const T>(grad),
        data<const T>(o.x),
        data<const T>(o.kernel),
        data<const T>(output),
        data<T>(borrow_optional(op, "grad_x", grad_x)),
        data<T>(borrow(op, "grad_kernel", grad_kernel)),
        data<T>(borrow_optional(op, "grad_bias", grad_bias)),
        w,
        o.filters,
        o.groups,
        o.activation};
    const Release unlocked(grad.size() * taps_of(o.kernel) / 64);
    backend::conv_backward(args, queue.stream());
  });
  return py::make_tuple(grad_x, grad_kernel, grad_bias);
}

}  // namespace

Index whole_of(const char* op, const char* name, py::handle object,
               Index least) {
  if (!PyLong_Check(object.ptr()) || PyBool_Check(object.ptr())) {
    raise_type(op, std::string(name) + " must be an int; got " +
                       Py_TYPE(object.ptr())->tp_name);
  }
  const Index value = PyLong_AsLongLong(object.ptr());
  PyErr_Clear();  // one that is too large is -1
  if (value < least) {
    raise_value(op, std::string(name) + " must be " + std::to_string(least) +
                        " or more; got " + std::string(py::repr(object)));
  }
  return value;
}

Array image_of(const char* op, const char* name, py::handle object) {
  const Array a = borrow(op, name, object);
  require_float(op, a);
  require_ndim(op, a, 4);
  return a;
}

Array output_of(const char* op, py::handle object, Activation activation,
                const Array& grad, const char* forward) {
  const Array output = borrow_optional(op, "output", object);
  if (activation == Activation::kLinear) return output;
  if (object.is_none()) {
    raise_value(op, std::string("output must be what ") + forward +
                        " returned, since the slope of the activation is "
                        "worked out from it; got None");
  }
  require_dtype_like(op, output, grad);
  require_same_shape(op, output, grad);
  return output;
}

Window window_of(const char* op, const Array& x, const Array& kernel,
                 const WindowSettings& settings) {
  Window w;
  w.batch = x.shape[0];
  w.height = x.shape[1];
  w.width = x.shape[2];
  w.channels = x.shape[3];
  w.kernel_height = kernel.shape[0];
  w.kernel_width = kernel.shape[1];
  if (w.kernel_height == 0 || w.kernel_width == 0) {
    raise_value(op, "kernel must be 1 x 1 or larger; got shape " +
                        shape_text(kernel.shape, 4));
  }
  Index strides[2], dilation[2], pads[2][2];
  require_pair(op, "strides", settings.strides, strides);
  require_pair(op, "dilation", settings.dilation, dilation);
  bool padded = PyTuple_Check(settings.padding.ptr()) &&
                PyTuple_GET_SIZE(settings.padding.ptr()) == 2;
  for (int i = 0; padded && i < 2; ++i) {
    padded = read_pair(PyTuple_GET_ITEM(settings.padding.ptr(), i), 0, pads[i]);
  }
  if (!padded) {
    raise_value(op,
                "padding must be ((top, bottom), (left, right)) of ints of 0 "
                "or more; got " +
                    std::string(py::repr(settings.padding)));
  }
  w.stride_height = strides[0];
  w.stride_width = strides[1];
  w.dilation_height = dilation[0];
  w.dilation_width = dilation[1];
  w.pad_top = pads[0][0];
  w.pad_left = pads[1][0];
  const Index height = w.height + pads[0][0] + pads[0][1];
  const Index width = w.width + pads[1][0] + pads[1][1];
  const Index down = (w.kernel_height - 1) * w.dilation_height + 1;
  const Index across = (w.kernel_width - 1) * w.dilation_width + 1;
  if ((w.height > 0 && height < down) || (w.width > 0 && width < across)) {
    raise_value(op, "kernel must fit into the padded x; got a window of " +
                        by(down, across) + " on " + by(height, width));
  }
  w.out_height = outputs_of(height, down, w.stride_height);
  w.out_width = outputs_of(width, across, w.stride_width);
  return w;
}

void bind_conv(py::module_& m) {
  m.def("conv", &conv, "A convolution: see strop.ops.conv.", py::arg("x"),
        py::arg("kernel"), py::arg("strides"), py::arg("padding"),
        py::arg("dilation"), py::arg("groups"), py::arg("bias"),
        py::arg("activation"), py::arg("out"));
  m.def("conv_backward", &conv_backward,
        "(grad_x, grad_kernel, grad_bias): see strop.ops.conv_backward.",
        py::arg("grad"), py::arg("x"), py::arg("kernel"), py::arg("strides"),
        py::arg("padding"), py::arg("dilation"), py::arg("groups"),
        py::arg("output"), py::arg("activation"), py::arg("bias"),
        py::arg("need_x"));
}

}  // namespace strop::bind
