#include <cmath>

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

constexpr const char* kDoc = R"(
Take one Adam step in place, on one tensor or on a list of tensors.

Args:
    param, grad, moment1, moment2, max_moment2: float32 or float64 arrays of
        one shape, or equally long lists of them. All but grad are updated.
    learning_rate, beta1, beta2, eps, weight_decay: see strop.ops.adam_step.
    step: number of this step, the first is 1.
    eps_mode: "hat" (Keras) or "torch".
    bias_correction: False for the textbook formula without it.

Raises:
    TypeError: an array has another dtype than its parameter.
    ValueError: shapes differ, an array is strided, read-only or overlaps.
)";

struct Settings {
  double learning_rate, beta1, beta2, eps, weight_decay;
  Index step;
  bool hat, bias_correction;
};

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
          T(1 - s.learning_rate * s.weight_decay)};
}

struct Tensors {
  std::vector<Array> param, grad, moment1, moment2, max_moment2;
};

void check(const char* op, const Tensors& t) {
  const std::size_t count = t.param.size();
  for (const auto* list : {&t.grad, &t.moment1, &t.moment2}) {
    if (list->size() != count) {
      raise_value(op, std::string(list->empty() ? "state" : (*list)[0].name) +
                          " must have as many arrays as param (" +
                          std::to_string(count) + "); got " +
                          std::to_string(list->size()));
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Array& p = t.param[i];
    require_float(op, p);
    require_writable(op, p);
    for (const auto* list : {&t.grad, &t.moment1, &t.moment2, &t.max_moment2}) {
      if (list->empty()) continue;
      const Array& a = (*list)[i];
      require_dtype_like(op, a, p);
      require_same_shape(op, a, p);
      require_disjoint(op, a, p);
      if (list != &t.grad) require_writable(op, a);
    }
    require_dtype_like(op, p, t.param[0]);
  }
}

template <typename T>
void run(const Tensors& t, const Settings& s) {
  std::vector<AdamTensor<T>> tensors;
  tensors.reserve(t.param.size());
  for (std::size_t i = 0; i < t.param.size(); ++i) {
    tensors.push_back(
        {data<T>(t.param[i]), data<T>(t.moment1[i]), data<T>(t.moment2[i]),
         t.max_moment2.empty() ? nullptr : data<T>(t.max_moment2[i]),
         data<const T>(t.grad[i]), t.param[i].size()});
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
  Tensors t{borrow_many(op, "param", param),
            borrow_many(op, "grad", grad),
            borrow_many(op, "moment1", moment1),
            borrow_many(op, "moment2", moment2),
            {}};
  if (!max_moment2.is_none()) {
    t.max_moment2 = borrow_many(op, "max_moment2", max_moment2);
  }
  check(op, t);
  if (t.param.empty()) return;
  const Settings s{
      learning_rate,     beta1,          beta2, eps, weight_decay, step,
      eps_mode == "hat", bias_correction};
  visit_float(t.param[0], [&](auto zero) { run<decltype(zero)>(t, s); });
}

}  // namespace

void bind_adam(py::module_& m) {
  m.def("adam_step", &adam_step, kDoc, py::kw_only(), py::arg("param"),
        py::arg("grad"), py::arg("moment1"), py::arg("moment2"),
        py::arg("max_moment2") = py::none(), py::arg("learning_rate"),
        py::arg("step"), py::arg("beta1") = 0.9, py::arg("beta2") = 0.999,
        py::arg("eps") = 1e-7, py::arg("eps_mode") = "hat",
        py::arg("weight_decay") = 0.0, py::arg("bias_correction") = true);
}

}  // namespace strop::bind
