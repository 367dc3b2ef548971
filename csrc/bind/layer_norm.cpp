#include "kernels/layer_norm.h"

#include "bind/norm.h"

namespace strop::bind {
namespace {

// The axes of x before the last `axes`, and these.
struct Split {
  std::vector<Index> outer, inner;
  Index rows = 1, width = 1;
};

Split split(const char* op, const Array& x, Index axes) {
  if (axes < 1 || axes > x.ndim) {
    raise_value(op, "axes must lie in [1, " + std::to_string(x.ndim) +
                        "] for x of shape " + shape_text(x.shape, x.ndim) +
                        "; got " + std::to_string(axes));
  }
  const py::ssize_t* middle = x.shape + (x.ndim - axes);
  Split s{{x.shape, middle}, {middle, x.shape + x.ndim}};
  for (const Index n : s.outer) s.rows *= n;
  for (const Index n : s.inner) s.width *= n;
  return s;
}

py::tuple forward(py::handle x_object, py::handle gamma_object,
                  py::handle beta_object, Index axes, double epsilon) {
  constexpr const char* op = "layer_norm";
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  const Split s = split(op, x, axes);
  const Array gamma = scale_parameter(op, "gamma", gamma_object, x, s.inner);
  const Array beta = scale_parameter(op, "beta", beta_object, x, s.inner);
  const Queue queue(op, x);
  py::object result = new_like(x);
  py::object means = new_array(s.outer, DType::kFloat64);
  py::object variances = new_array(s.outer, DType::kFloat64);
  const Array out = borrow(op, "result", result);
  const Array mean = borrow(op, "mean", means);
  const Array variance = borrow(op, "variance", variances);
  if (s.rows > 0) {
    visit_float(x, [&](auto zero) {
      using T = decltype(zero);
      const LayerNorm<T> args{data<const T>(x),
                              data<const T>(gamma),
                              data<const T>(beta),
                              data<T>(out),
                              data<double>(mean),
                              data<double>(variance),
                              s.rows,
                              s.width,
                              epsilon};
      const Release unlocked(x.size());
      backend::layer_norm(args, queue.stream());
    });
  }
  return py::make_tuple(result, means, variances);
}

py::tuple backward(py::handle grad_object, py::handle x_object,
                   py::handle gamma_object, py::handle mean_object,
                   py::handle variance_object, Index axes, double epsilon,
                   bool need_x) {
  constexpr const char* op = "layer_norm_backward";
  const Normalized given(op, grad_object, x_object, mean_object,
                         variance_object);
  const Array& x = given.x;
  const Split s = split(op, x, axes);
  const Array gamma = scale_parameter(op, "gamma", gamma_object, x, s.inner);
  given.require_statistics(op, s.outer);
  const Queue queue(op, x);
  py::object result = need_x ? new_like(x) : py::none();
  py::object gammas = new_array(s.inner, x.dtype);
  py::object betas = new_array(s.inner, x.dtype);
  const Array grad_x = borrow_optional(op, "result", result);
  const Array by_gamma = borrow(op, "grad_gamma", gammas);
  const Array by_beta = borrow(op, "grad_beta", betas);
  Doubles workspace(layer_norm_workspace(s.rows, s.width));
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const LayerNormBackward<T> args{data<const T>(given.grad),
                                    data<const T>(x),
                                    data<const T>(gamma),
                                    data<const double>(given.mean),
                                    data<const double>(given.variance),
                                    data<T>(grad_x),
                                    data<T>(by_gamma),
                                    data<T>(by_beta),
                                    workspace.data(),
                                    s.rows,
                                    s.width,
                                    epsilon};
    const Release unlocked(x.size());
    backend::layer_norm_backward(args, queue.stream());
  });
  return py::make_tuple(result, gammas, betas);
}

}  // namespace

void bind_layer_norm(py::module_& m) {
  m.def("layer_norm", &forward,
        "Rows of the last axes with mean 0 and variance 1; and these.",
        py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("axes"),
        py::arg("epsilon"));
  m.def("layer_norm_backward", &backward,
        "The gradients by x, gamma and beta of layer_norm.", py::arg("grad"),
        py::arg("x"), py::arg("gamma"), py::arg("mean"), py::arg("variance"),
        py::arg("axes"), py::arg("epsilon"), py::arg("need_x"));
}

}  // namespace strop::bind
