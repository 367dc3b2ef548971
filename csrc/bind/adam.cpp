#include <cmath>

#include "bind/backend.h"
#include "bind/optimizer.h"

namespace strop::bind {
namespace {

struct Settings {
  double learning_rate, beta1, beta2, eps, weight_decay;
  Index step;
  bool hat, bias_correction;
};

Settings settings(const char* op, double learning_rate, Index step,
                  double beta1, double beta2, double eps,
                  const std::string& eps_mode, double weight_decay,
                  bool bias_correction) {
  if (eps_mode != "hat" && eps_mode != "torch") {
    raise_value(op,
                "eps_mode must be 'hat' or 'torch'; got '" + eps_mode + "'");
  }
  if (step < 1) {
    raise_value(op, "step must be 1 or more; got " + std::to_string(step));
  }
  for (const double beta : {beta1, beta2}) {
    if (!(beta >= 0 && beta < 1)) {
      raise_value(op, "beta1 and beta2 must lie in [0, 1); got " +
                          std::string(py::str(py::float_(beta))));
    }
  }
  return {learning_rate,     beta1,          beta2, eps, weight_decay, step,
          eps_mode == "hat", bias_correction};
}

template <typename T>
AdamCoefficients<T> coefficients(const Settings& s) {
  const double step = static_cast<double>(s.step);
  const double c1 = s.bias_correction ? 1 - std::pow(s.beta1, step) : 1;
  const double c2 = s.bias_correction ? 1 - std::pow(s.beta2, step) : 1;
  const double inv_root_c2 = 1 / std::sqrt(c2);
  return {T(s.beta1),
          T(1 - s.beta1),
          T(s.beta2),
          T(1 - s.beta2),
          T(s.learning_rate / c1),
          T(inv_root_c2),
          T(s.hat ? s.eps * inv_root_c2 : s.eps),
          T(s.learning_rate * s.weight_decay)};
}

template <typename T>
void run(const TensorLists& t, const Settings& s) {
  std::vector<AdamTensor<T>> tensors;
  tensors.reserve(t.lists[0].size());
  for (std::size_t i = 0; i < t.lists[0].size(); ++i) {
    tensors.push_back({data<T>(t.lists[0][i]), data<T>(t.lists[2][i]),
                       data<T>(t.lists[3][i]),
                       t.lists.size() > 4 ? data<T>(t.lists[4][i]) : nullptr,
                       data<const T>(t.lists[1][i]), t.lists[0][i].size()});
  }
  const AdamStep<T> step{tensors.data(), Index(tensors.size()),
                         coefficients<T>(s)};
  py::gil_scoped_release unlocked;
  backend::adam_step(step, Stream{});
}

void adam_step(py::handle param, py::handle grad, py::handle moment1,
               py::handle moment2, py::handle max_moment2, double learning_rate,
               Index step, double beta1, double beta2, double eps,
               const std::string& eps_mode, double weight_decay,
               bool bias_correction) {
  constexpr const char* op = "adam_step";
  const Settings s = settings(op, learning_rate, step, beta1, beta2, eps,
                              eps_mode, weight_decay, bias_correction);
  TensorLists t{{borrow_many(op, "param", param), borrow_many(op, "grad", grad),
                 borrow_many(op, "moment1", moment1),
                 borrow_many(op, "moment2", moment2)},
                1};
  if (!max_moment2.is_none()) {
    t.lists.push_back(borrow_many(op, "max_moment2", max_moment2));
  }
  check_lists(op, t);
  if (t.lists[0].empty()) return;
  visit_float(t.lists[0][0], [&](auto zero) { run<decltype(zero)>(t, s); });
}

void adam_rows(py::handle param, py::handle grad, py::handle rows_object,
               py::handle moment1, py::handle moment2, py::handle max_moment2,
               py::handle last_object, double learning_rate, Index step,
               double beta1, double beta2, double eps,
               const std::string& eps_mode, double weight_decay,
               bool bias_correction) {
  constexpr const char* op = "adam_step";
  const Settings s = settings(op, learning_rate, step, beta1, beta2, eps,
                              eps_mode, weight_decay, bias_correction);
  const std::vector<Array> table{
      borrow(op, "param", param), borrow(op, "moment1", moment1),
      borrow(op, "moment2", moment2),
      borrow_optional(op, "max_moment2", max_moment2)};
  const Array g = borrow(op, "grad", grad);
  const Array rows = borrow(op, "rows", rows_object);
  const Array last = borrow_optional(op, "last", last_object);
  check_rows(op, table, g, rows);
  visit_float(g, [&](auto zero) {
    using T = decltype(zero);
    const AdamRows<T> args{data<T>(table[0]),   data<T>(table[1]),
                           data<T>(table[2]),   data<T>(table[3]),
                           data<const T>(g),    ids_of(rows),
                           row_width(table[0]), data<std::int32_t>(last),
                           std::int32_t(step),  coefficients<T>(s)};
    py::gil_scoped_release unlocked;
    backend::adam_rows(args, Stream{});
  });
}

}  // namespace

void bind_adam(py::module_& m) {
  m.def("adam_step", &adam_step,
        "One Adam step in place, on one tensor or on a list of tensors.",
        py::kw_only(), py::arg("param"), py::arg("grad"), py::arg("moment1"),
        py::arg("moment2"), py::arg("max_moment2") = py::none(),
        py::arg("learning_rate"), py::arg("step"), py::arg("beta1") = 0.9,
        py::arg("beta2") = 0.999, py::arg("eps") = 1e-7,
        py::arg("eps_mode") = "hat", py::arg("weight_decay") = 0.0,
        py::arg("bias_correction") = true);
  m.def("adam_rows", &adam_rows,
        "One Adam step in place on some rows of a table, each named once.",
        py::kw_only(), py::arg("param"), py::arg("grad"), py::arg("rows"),
        py::arg("moment1"), py::arg("moment2"),
        py::arg("max_moment2") = py::none(), py::arg("last") = py::none(),
        py::arg("learning_rate"), py::arg("step"), py::arg("beta1") = 0.9,
        py::arg("beta2") = 0.999, py::arg("eps") = 1e-7,
        py::arg("eps_mode") = "hat", py::arg("weight_decay") = 0.0,
        py::arg("bias_correction") = true);
}

}  // namespace strop::bind
