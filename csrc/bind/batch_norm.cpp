#include "kernels/batch_norm.h"

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

// x as (outer, rows, channels): batch normalization has one outer, group
// normalization the samples.
struct Frame {
  Index outer, rows, channels, groups;
  std::vector<Index> statistics;  // their shape
};

Frame frame_of(const char* op, const Array& x, std::optional<Index> groups) {
  if (x.ndim < 2) {
    raise_value(op, "x must have 2 axes or more; got shape " +
                        shape_text(x.shape, x.ndim));
  }
  Frame f{1, 1, x.shape[x.ndim - 1], 0, {}};
  for (int i = 0; i + 1 < x.ndim; ++i) {
    (i == 0 && groups ? f.outer : f.rows) *= x.shape[i];
  }
  f.groups = groups.value_or(f.channels);
  f.statistics = {f.groups};
  if (!groups) return f;
  if (f.groups < 1 || f.channels % f.groups != 0) {
    raise_value(op, "groups must divide the channels (" +
                        std::to_string(f.channels) + "); got " +
                        std::to_string(f.groups));
  }
  f.statistics = {f.outer, f.groups};
  return f;
}

// gamma, beta: null, or like x and of the channels.
Array parameter(const char* op, const char* name, py::handle object,
                const Array& x, Index channels) {
  const Array a = borrow_optional(op, name, object);
  if (a.address == nullptr) return a;
  require_dtype_like(op, a, x);
  require_shape(op, a, {channels});
  return a;
}

Array mask_of(const char* op, py::handle object, const Array& x) {
  const Array mask = borrow_optional(op, "mask", object);
  if (mask.address == nullptr) return mask;
  require_dtype(op, mask, DType::kBool);
  require_shape(op, mask, std::vector<Index>(x.shape, x.shape + x.ndim - 1));
  return mask;
}

py::object like(const Array& x) {
  return new_array(std::vector<Index>(x.shape, x.shape + x.ndim), x.dtype);
}

Index workspace_of(const Frame& f, const Array& mask) {
  return f.outer *
         batch_norm_workspace(f.rows, f.channels, mask.address != nullptr);
}

py::tuple forward(const char* op, py::handle x_object, py::handle gamma_object,
                  py::handle beta_object, py::handle mask_object,
                  std::optional<Index> groups, double epsilon) {
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  const Frame f = frame_of(op, x, groups);
  const Array gamma = parameter(op, "gamma", gamma_object, x, f.channels);
  const Array beta = parameter(op, "beta", beta_object, x, f.channels);
  const Array mask = mask_of(op, mask_object, x);
  const Queue queue(op, x);
  py::object result = like(x);
  py::object means = new_array(f.statistics, DType::kFloat64);
  py::object variances = new_array(f.statistics, DType::kFloat64);
  const Array out = borrow(op, "result", result);
  const Array mean = borrow(op, "mean", means);
  const Array variance = borrow(op, "variance", variances);
  Doubles workspace(workspace_of(f, mask));
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const BatchNorm<T> args{data<const T>(x),
                            data<const T>(gamma),
                            data<const T>(beta),
                            data<const bool>(mask),
                            data<T>(out),
                            data<double>(mean),
                            data<double>(variance),
                            workspace.data(),
                            f.outer,
                            f.rows,
                            f.channels,
                            f.groups,
                            epsilon};
    const Release unlocked(x.size());
    backend::batch_norm(args, queue.stream());
  });
  return py::make_tuple(result, means, variances);
}

py::tuple backward(const char* op, py::handle grad_object, py::handle x_object,
                   py::handle gamma_object, py::handle mean_object,
                   py::handle variance_object, py::handle mask_object,
                   std::optional<Index> groups, double epsilon, bool need_x) {
  const Array grad = borrow(op, "grad", grad_object);
  const Array x = borrow(op, "x", x_object);
  const Array mean = borrow(op, "mean", mean_object);
  const Array variance = borrow(op, "variance", variance_object);
  require_float(op, grad);
  require_dtype_like(op, x, grad);
  require_same_shape(op, grad, x);
  const Frame f = frame_of(op, x, groups);
  const Array gamma = parameter(op, "gamma", gamma_object, x, f.channels);
  const Array mask = mask_of(op, mask_object, x);
  require_dtype(op, mean, DType::kFloat64);
  require_dtype(op, variance, DType::kFloat64);
  require_shape(op, mean, f.statistics);
  require_shape(op, variance, f.statistics);
  const Queue queue(op, grad);
  py::object result = need_x ? like(x) : py::none();
  py::object gammas = new_array({f.channels}, x.dtype);
  py::object betas = new_array({f.channels}, x.dtype);
  const Array grad_x = borrow_optional(op, "result", result);
  const Array by_gamma = borrow(op, "grad_gamma", gammas);
  const Array by_beta = borrow(op, "grad_beta", betas);
  Doubles workspace(workspace_of(f, mask));
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const BatchNormBackward<T> args{data<const T>(grad),
                                    data<const T>(x),
                                    data<const T>(gamma),
                                    data<const bool>(mask),
                                    data<const double>(mean),
                                    data<const double>(variance),
                                    data<T>(grad_x),
                                    data<T>(by_gamma),
                                    data<T>(by_beta),
                                    workspace.data(),
                                    f.outer,
                                    f.rows,
                                    f.channels,
                                    f.groups,
                                    epsilon};
    const Release unlocked(x.size());
    backend::batch_norm_backward(args, queue.stream());
  });
  return py::make_tuple(result, gammas, betas);
}

py::object inference(py::handle x_object, py::handle mean_object,
                     py::handle variance_object, py::handle gamma_object,
                     py::handle beta_object, double epsilon) {
  constexpr const char* op = "batch_norm_inference";
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  const Frame f = frame_of(op, x, std::nullopt);
  const Array mean = borrow(op, "mean", mean_object);
  const Array variance = borrow(op, "variance", variance_object);
  for (const Array* each : {&mean, &variance}) {
    require_dtype_like(op, *each, x);
    require_shape(op, *each, {f.channels});
  }
  const Array gamma = parameter(op, "gamma", gamma_object, x, f.channels);
  const Array beta = parameter(op, "beta", beta_object, x, f.channels);
  const Queue queue(op, x);
  py::object result = like(x);
  const Array out = borrow(op, "result", result);
  if (out.size() == 0) return result;
  Doubles workspace(batch_norm_workspace(f.rows, f.channels, false));
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const BatchNormInference<T> args{data<const T>(x),
                                     data<const T>(mean),
                                     data<const T>(variance),
                                     data<const T>(gamma),
                                     data<const T>(beta),
                                     data<T>(out),
                                     workspace.data(),
                                     f.rows,
                                     f.channels,
                                     epsilon};
    const Release unlocked(x.size());
    backend::batch_norm_inference(args, queue.stream());
  });
  return result;
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  m.def(
      "batch_norm",
      [](py::handle x, py::handle gamma, py::handle beta, py::handle mask,
         double epsilon) {
        return forward("batch_norm", x, gamma, beta, mask, std::nullopt,
                       epsilon);
      },
      "Channels with mean 0 and variance 1 over the rows; and these.",
      py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("mask"),
      py::arg("epsilon"));
  m.def(
      "batch_norm_backward",
      [](py::handle grad, py::handle x, py::handle gamma, py::handle mean,
         py::handle variance, py::handle mask, double epsilon, bool need_x) {
        return backward("batch_norm_backward", grad, x, gamma, mean, variance,
                        mask, std::nullopt, epsilon, need_x);
      },
      "The gradients by x, gamma and beta of batch_norm.", py::arg("grad"),
      py::arg("x"), py::arg("gamma"), py::arg("mean"), py::arg("variance"),
      py::arg("mask"), py::arg("epsilon"), py::arg("need_x"));
  m.def("batch_norm_inference", &inference,
        "Channels scaled by statistics that are given.", py::arg("x"),
        py::arg("mean"), py::arg("variance"), py::arg("gamma"), py::arg("beta"),
        py::arg("epsilon"));
  m.def(
      "group_norm",
      [](py::handle x, py::handle gamma, py::handle beta, Index groups,
         double epsilon) {
        return forward("group_norm", x, gamma, beta, py::none(), groups,
                       epsilon);
      },
      "Groups of channels of a sample with mean 0 and variance 1; and these.",
      py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("groups"),
      py::arg("epsilon"));
  m.def(
      "group_norm_backward",
      [](py::handle grad, py::handle x, py::handle gamma, py::handle mean,
         py::handle variance, Index groups, double epsilon, bool need_x) {
        return backward("group_norm_backward", grad, x, gamma, mean, variance,
                        py::none(), groups, epsilon, need_x);
      },
      "The gradients by x, gamma and beta of group_norm.", py::arg("grad"),
      py::arg("x"), py::arg("gamma"), py::arg("mean"), py::arg("variance"),
      py::arg("groups"), py::arg("epsilon"), py::arg("need_x"));
}

}  // namespace strop::bind
