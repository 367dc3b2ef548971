#include "kernels/softmax.h"

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

py::object forward(const char* op, bool log, py::handle x_object,
                   py::handle out_object) {
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  if (x.ndim == 0) require_ndim(op, x, 1);
  Queue queue(op, x);
  py::object result =
      output(op, out_object, x, std::vector<Index>(x.shape, x.shape + x.ndim));
  const Array out = borrow(op, "out", result);
  queue.add(out);
  if (out.address != x.address) require_disjoint(op, out, x);
  const Index classes = x.shape[x.ndim - 1];
  if (x.size() == 0) return result;
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxForward<T> args{data<const T>(x), data<T>(out),
                                 x.size() / classes, classes, log};
    const Release unlocked(x.size());
    backend::softmax_forward(args, queue.stream());
  });
  return result;
}

py::object backward(const char* op, bool log, py::handle grad_object,
                    py::handle output_object) {
  const Array grad = borrow(op, "grad", grad_object);
  const Array out = borrow(op, "output", output_object);
  require_float(op, grad);
  if (grad.ndim == 0) require_ndim(op, grad, 1);
  require_dtype_like(op, out, grad);
  require_same_shape(op, out, grad);
  const Queue queue(op, grad, out);
  py::object result = new_array(
      std::vector<Index>(grad.shape, grad.shape + grad.ndim), grad.dtype);
  const Array grad_x = borrow(op, "result", result);
  const Index classes = grad.shape[grad.ndim - 1];
  if (grad.size() == 0) return result;
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxBackward<T> args{data<const T>(grad),
                                  data<const T>(out),
                                  data<T>(grad_x),
                                  grad.size() / classes,
                                  classes,
                                  log};
    const Release unlocked(grad.size());
    backend::softmax_backward(args, queue.stream());
  });
  return result;
}

}  // namespace

void bind_softmax(py::module_& m) {
  m.def(
      "softmax",
      [](py::handle x, py::handle out) {
        return forward("softmax", false, x, out);
      },
      "Probabilities along the last axis.", py::arg("x"),
      py::arg("out") = py::none());
  m.def(
      "log_softmax",
      [](py::handle x, py::handle out) {
        return forward("log_softmax", true, x, out);
      },
      "Logarithms of the probabilities along the last axis.", py::arg("x"),
      py::arg("out") = py::none());
  m.def(
      "softmax_backward",
      [](py::handle grad, py::handle output) {
        return backward("softmax_backward", false, grad, output);
      },
      "The gradient by x of softmax, from its output.", py::arg("grad"),
      py::arg("output"));
  m.def(
      "log_softmax_backward",
      [](py::handle grad, py::handle output) {
        return backward("log_softmax_backward", true, grad, output);
      },
      "The gradient by x of log_softmax, from its output.", py::arg("grad"),
      py::arg("output"));
}

}  // namespace strop::bind
