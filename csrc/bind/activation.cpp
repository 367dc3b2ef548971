#include "bind/activation.h"

#include "bind/array.h"
#include "bind/backend.h"
#include "kernels/activation.h"

namespace strop::bind {
namespace {

struct Name {
  const char* text;
  Activation which;
};

constexpr Name kNames[] = {
    {"linear", Activation::kLinear},
    {"relu", Activation::kRelu},
    {"sigmoid", Activation::kSigmoid},
    {"tanh", Activation::kTanh},
    {"elu", Activation::kElu},
    {"exponential", Activation::kExponential},
    {"gelu", Activation::kGelu},
    {"gelu_tanh", Activation::kGeluTanh},
    {"hard_sigmoid", Activation::kHardSigmoid},
    {"leaky_relu", Activation::kLeakyRelu},
    {"mish", Activation::kMish},
    {"selu", Activation::kSelu},
    {"silu", Activation::kSilu},
    {"softplus", Activation::kSoftplus},
    {"softsign", Activation::kSoftsign},
};
constexpr int kFused = 4;  // the first ones

}  // namespace

Activation which_of(const char* op, const std::string& name) {
  for (const Name& known : kNames) {
    if (name == known.text) return known.which;
  }
  std::string all;
  for (const Name& known : kNames) {
    all += (all.empty() ? "" : ", ") + std::string(known.text);
  }
  raise_value(op, "name must be one of " + all + "; got '" + name + "'");
}

Activation fused_activation_of(const char* op, py::handle object) {
  if (object.is_none()) return Activation::kLinear;
  if (!PyUnicode_Check(object.ptr())) {
    raise_type(op, std::string("activation must be a str or None; got ") +
                       Py_TYPE(object.ptr())->tp_name);
  }
  for (int i = 0; i < kFused; ++i) {
    if (PyUnicode_CompareWithASCIIString(object.ptr(), kNames[i].text) == 0) {
      return kNames[i].which;
    }
  }
  raise_value(op,
              "activation must be None, 'linear', 'relu', 'sigmoid' or 'tanh'"
              "; got " +
                  std::string(py::repr(object)));
}

namespace {

std::vector<Index> extents(const Array& a) {
  return std::vector<Index>(a.shape, a.shape + a.ndim);
}

template <typename T>
ActivationSettings<T> settings_of(double first, double second, double third) {
  return {T(first), T(second), T(third)};
}

py::object activation(py::handle x_object, const std::string& name,
                      py::handle out_object, double first, double second,
                      double third) {
  constexpr const char* op = "activation";
  const Activation which = which_of(op, name);
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  Queue queue(op, x);
  py::object result = output(op, out_object, x, extents(x));
  const Array out = borrow(op, "out", result);
  queue.add(out);
  if (out.address != x.address) require_disjoint(op, out, x);
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const ActivationForward<T> args{data<const T>(x), data<T>(out), x.size(),
                                    which,
                                    settings_of<T>(first, second, third)};
    const Release unlocked(x.size());
    backend::activation_forward(args, queue.stream());
  });
  return result;
}

py::object activation_backward(py::handle grad_object, py::handle x_object,
                               py::handle output_object,
                               const std::string& name, double first,
                               double second, double third) {
  constexpr const char* op = "activation_backward";
  const Activation which = which_of(op, name);
  const Array grad = borrow(op, "grad", grad_object);
  const Array x = borrow(op, "x", x_object);
  const Array out = borrow(op, "output", output_object);
  require_float(op, grad);
  for (const Array* a : {&x, &out}) {
    require_dtype_like(op, *a, grad);
    require_same_shape(op, *a, grad);
  }
  const Queue queue(op, grad, x, out);
  py::object result = new_array(extents(grad), grad.dtype);
  const Array grad_x = borrow(op, "result", result);
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    const ActivationBackward<T> args{data<const T>(grad),
                                     data<const T>(x),
                                     data<const T>(out),
                                     data<T>(grad_x),
                                     grad.size(),
                                     which,
                                     settings_of<T>(first, second, third)};
    const Release unlocked(grad.size());
    backend::activation_backward(args, queue.stream());
  });
  return result;
}

}  // namespace

void bind_activation(py::module_& m) {
  m.def("activation", &activation,
        "Apply the activation `name` to x, element by element.", py::arg("x"),
        py::arg("name"), py::arg("out") = py::none(), py::arg("first") = 0.0,
        py::arg("second") = 0.0, py::arg("third") = 0.0);
  m.def("activation_backward", &activation_backward,
        "The gradient by x of the activation `name`.", py::arg("grad"),
        py::arg("x"), py::arg("output"), py::arg("name"),
        py::arg("first") = 0.0, py::arg("second") = 0.0,
        py::arg("third") = 0.0);
}

}  // namespace strop::bind
