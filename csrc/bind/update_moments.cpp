#include <cmath>

#include "bind/update.h"
#include "math/power.h"

// The rules with a first moment.

namespace strop::bind {
namespace {

void adamax_step(py::handle param, py::handle grad, py::handle rows,
                 py::handle moment1, py::handle max_grad, double learning_rate,
                 Index step, double beta1, double beta2, double eps,
                 const std::string& dialect, py::handle weight_decay, double l2,
                 double grad_scale) {
  constexpr const char* op = "adamax_step";
  const bool keras = keras_dialect(op, dialect);
  check_betas(op, beta1, beta2);
  check_at_least_0(op, "eps", eps);
  check_first_step(op, step);
  take_step<Adamax>(
      {op, param, grad, rows, learning_rate, weight_decay, l2, grad_scale},
      {{"moment1", moment1}, {"max_grad", max_grad}},
      [&](auto zero) {
        using T = decltype(zero);
        const double c1 = one_minus_power(beta1, step);
        return Adamax<T>{RunningMean<T>::of(beta1), T(beta2),
                         T(keras ? 0 : eps), T(keras ? eps : 0),
                         T(learning_rate / c1)};
      },
      [](const auto& args, Stream stream) {
        backend::adamax_step(args, stream);
      });
}

void nadam_step(py::handle param, py::handle grad, py::handle rows,
                py::handle moment1, py::handle moment2, double learning_rate,
                Index step, double mu, double next_mu, double mu_product,
                double beta1, double beta2, double eps, py::handle weight_decay,
                double l2, double grad_scale) {
  constexpr const char* op = "nadam_step";
  check_betas(op, beta1, beta2);
  check_at_least_0(op, "eps", eps);
  check_first_step(op, step);
  // Rounded to float32 once per step, as torch keeps it, it may pass 1.
  if (!(mu_product >= 0 && mu_product <= 1 + 1e-6)) {
    raise_value(op, "mu_product must lie in [0, 1]; got " +
                        std::string(py::str(py::float_(mu_product))));
  }
  take_step<Nadam>(
      {op, param, grad, rows, learning_rate, weight_decay, l2, grad_scale},
      {{"moment1", moment1}, {"moment2", moment2}},
      [&](auto zero) {
        using T = decltype(zero);
        const double product = mu_product * mu;
        const double c2 = one_minus_power(beta2, step);
        return Nadam<T>{RunningMean<T>::of(beta1),
                        T(beta2),
                        T(1 - beta2),
                        T(1 / std::sqrt(c2)),
                        T(eps),
                        T(learning_rate * (1 - mu) / (1 - product)),
                        T(learning_rate * next_mu / (1 - product * next_mu))};
      },
      [](const auto& args, Stream stream) {
        backend::nadam_step(args, stream);
      });
}

void radam_step(py::handle param, py::handle grad, py::handle rows,
                py::handle moment1, py::handle moment2, double learning_rate,
                Index step, double beta1, double beta2, double eps,
                py::handle weight_decay, double l2, double grad_scale) {
  constexpr const char* op = "radam_step";
  check_betas(op, beta1, beta2);
  check_at_least_0(op, "eps", eps);
  check_first_step(op, step);
  const double c1 = one_minus_power(beta1, step);
  const double c2 = one_minus_power(beta2, step);
  // Lengths of the moving averages that match the second moment's.
  const double longest = 2 / (1 - beta2) - 1;
  const double length = longest - 2 * double(step) * (1 - c2) / c2;
  const bool rectified = length > 5;
  double step_size = learning_rate / c1;
  if (rectified) {
    step_size *= std::sqrt(c2 * (length - 4) * (length - 2) * longest /
                           ((longest - 4) * (longest - 2) * length));
  }
  take_step<Radam>(
      {op, param, grad, rows, learning_rate, weight_decay, l2, grad_scale},
      {{"moment1", moment1}, {"moment2", moment2}},
      [&](auto zero) {
        using T = decltype(zero);
        return Radam<T>{RunningMean<T>::of(beta1),
                        T(beta2),
                        T(1 - beta2),
                        T(eps),
                        T(step_size),
                        T(rectified)};
      },
      [](const auto& args, Stream stream) {
        backend::radam_step(args, stream);
      });
}

void lion_step(py::handle param, py::handle grad, py::handle rows,
               py::handle moment1, double learning_rate, double beta1,
               double beta2, py::handle weight_decay, double l2,
               double grad_scale) {
  constexpr const char* op = "lion_step";
  check_betas(op, beta1, beta2);
  take_step<Lion>(
      {op, param, grad, rows, learning_rate, weight_decay, l2, grad_scale},
      {{"moment1", moment1}},
      [&](auto zero) {
        using T = decltype(zero);
        return Lion<T>{T(beta1), T(1 - beta1), T(beta2), T(1 - beta2),
                       T(learning_rate)};
      },
      [](const auto& args, Stream stream) {
        backend::lion_step(args, stream);
      });
}

}  // namespace

void bind_update_moments(py::module_& m) {
  using py::arg;
  m.def("adamax_step", &adamax_step, "One Adamax step in place.", arg("param"),
        arg("grad"), arg("rows"), arg("moment1"), arg("max_grad"),
        arg("learning_rate"), arg("step"), arg("beta1"), arg("beta2"),
        arg("eps"), arg("dialect"), arg("weight_decay"), arg("l2"),
        arg("grad_scale"));
  m.def("nadam_step", &nadam_step, "One NAdam step in place.", arg("param"),
        arg("grad"), arg("rows"), arg("moment1"), arg("moment2"),
        arg("learning_rate"), arg("step"), arg("mu"), arg("next_mu"),
        arg("mu_product"), arg("beta1"), arg("beta2"), arg("eps"),
        arg("weight_decay"), arg("l2"), arg("grad_scale"));
  m.def("radam_step", &radam_step, "One RAdam step in place.", arg("param"),
        arg("grad"), arg("rows"), arg("moment1"), arg("moment2"),
        arg("learning_rate"), arg("step"), arg("beta1"), arg("beta2"),
        arg("eps"), arg("weight_decay"), arg("l2"), arg("grad_scale"));
  m.def("lion_step", &lion_step, "One Lion step in place.", arg("param"),
        arg("grad"), arg("rows"), arg("moment1"), arg("learning_rate"),
        arg("beta1"), arg("beta2"), arg("weight_decay"), arg("l2"),
        arg("grad_scale"));
}

}  // namespace strop::bind
