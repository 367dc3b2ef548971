#include <cmath>

#include "bind/update.h"
#include "kernels/update.h"

// The rules with a first moment.

namespace strop::bind {
namespace {

// 1 - 0.96^momentum_decay, how far the momentum of NAdam grows in a step.
double nadam_growth(double momentum_decay) {
  return -std::expm1(momentum_decay * std::log(0.96));
}

void adamax_step(py::handle param, py::handle grad, py::handle rows,
                 py::handle moment1, py::handle max_grad,
                 py::handle learning_rate, py::handle step, double beta1,
                 double beta2, double eps, const std::string& dialect,
                 py::handle weight_decay, double l2, py::handle grad_scale) {
  constexpr const char* op = "adamax_step";
  const bool keras = keras_dialect(op, dialect);
  check_betas(op, beta1, beta2);
  check_at_least_0(op, "eps", eps);
  take_step<Adamax>(
      {op, param, grad, rows, numbers_of(op, learning_rate, step, grad_scale),
       weight_decay, l2},
      {{"moment1", moment1}, {"max_grad", max_grad}},
      {beta1, beta2, eps, keras}, [](const auto& args, Stream stream) {
        backend::adamax_step(args, stream);
      });
}

void nadam_step(py::handle param, py::handle grad, py::handle rows,
                py::handle moment1, py::handle moment2,
                py::handle learning_rate, py::handle step,
                py::handle mu_product, double beta1, double beta2, double eps,
                double momentum_decay, py::handle weight_decay, double l2,
                py::handle grad_scale) {
  constexpr const char* op = "nadam_step";
  check_betas(op, beta1, beta2);
  check_at_least_0(op, "eps", eps);
  const StepNumbers numbers = numbers_of(op, learning_rate, step, grad_scale);
  NadamRule rule{beta1, beta2,   eps, nadam_growth(momentum_decay),
                 0,     nullptr, 0};
  Array products{};
  if (numbers.step.array.object) {
    if (!read_numbers(op, "mu_product", mu_product, DType::kFloat64, 1,
                      products)) {
      raise_type(op, "mu_product must be a cupy array like step; got no array");
    }
    rule.products = data<const double>(products);
    rule.listed = products.size();
  } else {
    rule.product = real_number(op, "mu_product", mu_product).number.value;
  }
  // Rounded to float32 once per step, as torch keeps it, it may pass 1.
  if (!(rule.product >= 0 && rule.product <= 1 + 1e-6)) {
    raise_value(op, "mu_product must lie in [0, 1]; got " +
                        std::string(py::str(py::float_(rule.product))));
  }
  take_step<Nadam>({op, param, grad, rows, numbers, weight_decay, l2},
                   {{"moment1", moment1}, {"moment2", moment2}}, rule,
                   [](const auto& args, Stream stream) {
                     backend::nadam_step(args, stream);
                   });
}

void radam_step(py::handle param, py::handle grad, py::handle rows,
                py::handle moment1, py::handle moment2,
                py::handle learning_rate, py::handle step, double beta1,
                double beta2, double eps, py::handle weight_decay, double l2,
                py::handle grad_scale) {
  constexpr const char* op = "radam_step";
  check_betas(op, beta1, beta2);
  check_at_least_0(op, "eps", eps);
  take_step<Radam>(
      {op, param, grad, rows, numbers_of(op, learning_rate, step, grad_scale),
       weight_decay, l2},
      {{"moment1", moment1}, {"moment2", moment2}}, {beta1, beta2, eps},
      [](const auto& args, Stream stream) {
        backend::radam_step(args, stream);
      });
}

void lion_step(py::handle param, py::handle grad, py::handle rows,
               py::handle moment1, py::handle learning_rate, double beta1,
               double beta2, py::handle weight_decay, double l2,
               py::handle grad_scale) {
  constexpr const char* op = "lion_step";
  check_betas(op, beta1, beta2);
  take_step<Lion>({op, param, grad, rows,
                   numbers_of(op, learning_rate, grad_scale), weight_decay, l2},
                  {{"moment1", moment1}}, {beta1, beta2},
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
        arg("learning_rate"), arg("step"), arg("mu_product"), arg("beta1"),
        arg("beta2"), arg("eps"), arg("momentum_decay"), arg("weight_decay"),
        arg("l2"), arg("grad_scale"));
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
