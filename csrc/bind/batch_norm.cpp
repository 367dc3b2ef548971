#include "kernels/batch_norm.h"

#include "bind/norm.h"

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

Array mask_of(const char* op, py::handle object, const Array& x) {
  const Array mask = borrow_optional(op, "mask", object);
  if (mask.address == nullptr) return mask;
  require_dtype(op, mask, DType::kBool);
  require_shape(op, mask, std::vector<Index>(x.shape, x.shape + x.ndim - 1));
  return mask;
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
  const Array gamma =
      scale_parameter(op, "gamma", gamma_object, x, {f.channels});
  const Array beta = scale_parameter(op, "beta", beta_object, x, {f.channels});
  const Array mask = mask_of(op, mask_object, x);
  const Queue queue(op, x);
  py::object result = new_like(x);
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
  const Normalized given(op, grad_object, x_object, mean_object,
                         variance_object);
  const Array& x = given.x;
  const Frame f = frame_of(op, x, groups);
  const Array gamma =
      scale_parameter(op, "gamma", gamma_object, x, {f.channels});
  const Array mask = mask_of(op, mask_object, x);
  given.require_statistics(op, f.statistics);
  const Queue queue(op, x);
  py::object result = need_x ? new_like(x) : py::none();
  py::object gammas = new_array({f.channels}, x.dtype);
  py::object betas = new_array({f.channels}, x.dtype);
  const Array grad_x = borrow_optional(op, "result", result);
  const Array by_gamma = borrow(op, "grad_gamma", gammas);
  const Array by_beta = borrow(op, "grad_beta", betas);
  Doubles workspace(workspace_of(f, mask));
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const BatchNormBackward<T> args{data<const T>(given.grad),
                                    data<const T>(x),
                                    data<const T>(gamma),
                                    data<const bool>(mask),
                                    data<const double>(given.mean),
                                    data<const double>(given.variance),
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
  const Array gamma =
      scale_parameter(op, "gamma", gamma_object, x, {f.channels});
  const Array beta = scale_parameter(op, "beta", beta_object, x, {f.channels});
  const Queue queue(op, x);
  py::object result = new_like(x);
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
