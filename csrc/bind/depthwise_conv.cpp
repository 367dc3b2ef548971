#include "kernels/depthwise_conv.h"

#include "bind/activation.h"
#include "bind/array.h"
#include "bind/backend.h"
#include "bind/window.h"

namespace strop::bind {
namespace {

struct Operands {
  Array x, kernel;
  Window window;
  Index multiplier, outs;
  Activation activation;
};

Operands operands_of(const char* op, py::handle x, py::handle kernel,
                     const WindowSettings& settings, py::handle activation) {
  Operands o;
  o.x = image_of(op, "x", x);
  o.kernel = image_of(op, "kernel", kernel);
  require_dtype_like(op, o.kernel, o.x);
  if (o.kernel.shape[2] != o.x.shape[3]) {
    raise_value(op, "kernel must have third axis " +
                        std::to_string(o.x.shape[3]) +
                        ", the channels of x; got shape " +
                        shape_text(o.kernel.shape, 4) + " for x of shape " +
                        shape_text(o.x.shape, 4));
  }
  o.window = window_of(op, o.x, o.kernel, settings);
  o.multiplier = o.kernel.shape[3];
  o.outs = o.x.shape[3] * o.multiplier;
  o.activation = fused_activation_of(op, activation);
  return o;
}

py::object depthwise_conv(py::handle x, py::handle kernel, py::handle strides,
                          py::handle padding, py::handle dilation,
                          py::handle bias_object, py::handle activation,
                          py::handle out_object) {
  constexpr const char* op = "depthwise_conv";
  const Operands o =
      operands_of(op, x, kernel, {strides, padding, dilation}, activation);
  const Window& w = o.window;
  const Array bias = borrow_optional(op, "bias", bias_object);
  if (!bias_object.is_none()) {
    require_dtype_like(op, bias, o.x);
    require_shape(op, bias, {o.outs});
  }
  Queue queue(op, o.x, o.kernel, bias);
  py::object result =
      output(op, out_object, o.x, {w.batch, w.out_height, w.out_width, o.outs});
  const Array out = borrow(op, "out", result);
  queue.add(out);
  require_disjoint(op, out, o.x);
  require_disjoint(op, out, o.kernel);
  if (!bias_object.is_none()) require_disjoint(op, out, bias);
  visit_float(o.x, [&](auto zero) {
    using T = decltype(zero);
    const DepthwiseConv<T> args{data<const T>(o.x),
                                data<const T>(o.kernel),
                                data<const T>(bias),
                                data<T>(out),
                                w,
                                o.multiplier,
                                o.activation};
    const Release unlocked(out.size() * taps_of(o.kernel) / 64);
    backend::depthwise_conv(args, queue.stream());
  });
  return result;
}

py::tuple depthwise_conv_backward(py::handle grad_object, py::handle x,
                                  py::handle kernel, py::handle strides,
                                  py::handle padding, py::handle dilation,
                                  py::handle output_object,
                                  py::handle activation, bool bias,
                                  bool need_x) {
  constexpr const char* op = "depthwise_conv_backward";
  const Array grad = image_of(op, "grad", grad_object);
  const Operands o =
      operands_of(op, x, kernel, {strides, padding, dilation}, activation);
  const Window& w = o.window;
  require_dtype_like(op, grad, o.x);
  require_shape(op, grad, {w.batch, w.out_height, w.out_width, o.outs});
  const Array output =
      output_of(op, output_object, o.activation, grad, "depthwise_conv");
  const Queue queue(op, grad, o.x, o.kernel, output);
  py::object grad_x = py::none();
  py::object grad_bias = py::none();
  if (need_x) {
    grad_x = new_array({w.batch, w.height, w.width, w.channels}, grad.dtype);
  }
  if (bias) grad_bias = new_array({o.outs}, grad.dtype);
  py::object grad_kernel = new_array(
      std::vector<Index>(o.kernel.shape, o.kernel.shape + 4), grad.dtype);
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    const DepthwiseConvBackward<T> args{
        data<const T>(grad),
        data<const T>(o.x),
        data<const T>(o.kernel),
        data<const T>(output),
        data<T>(borrow_optional(op, "grad_x", grad_x)),
        data<T>(borrow(op, "grad_kernel", grad_kernel)),
        data<T>(borrow_optional(op, "grad_bias", grad_bias)),
        w,
        o.multiplier,
        o.activation};
    const Release unlocked(grad.size() * taps_of(o.kernel) / 64);
    backend::depthwise_conv_backward(args, queue.stream());
  });
  return py::make_tuple(grad_x, grad_kernel, grad_bias);
}

}  // namespace

void bind_depthwise_conv(py::module_& m) {
  m.def("depthwise_conv", &depthwise_conv,
        "Each channel by its own kernels: see strop.ops.depthwise_conv.",
        py::arg("x"), py::arg("kernel"), py::arg("strides"), py::arg("padding"),
        py::arg("dilation"), py::arg("bias"), py::arg("activation"),
        py::arg("out"));
  m.def("depthwise_conv_backward", &depthwise_conv_backward,
        "(grad_x, grad_kernel, grad_bias): see "
        "strop.ops.depthwise_conv_backward.",
        py::arg("grad"), py::arg("x"), py::arg("kernel"), py::arg("strides"),
        py::arg("padding"), py::arg("dilation"), py::arg("output"),
        py::arg("activation"), py::arg("bias"), py::arg("need_x"));
}

}  // namespace strop::bind
