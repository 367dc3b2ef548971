#include "bind/backend.h"
#include "bind/optimizer.h"

namespace strop::bind {
namespace {

struct Settings {
  double learning_rate, momentum, dampening, weight_decay;
  bool nesterov, keras;
};

// The five coefficients of math/sgd.h for a dialect.
template <typename T>
SgdCoefficients<T> coefficients(const Settings& s, bool has_velocity) {
  const double decay = s.learning_rate * s.weight_decay;
  if (!has_velocity) return {0, 0, 0, T(-s.learning_rate), T(decay)};
  if (s.keras) {
    return {T(s.momentum), T(-s.learning_rate), T(s.nesterov ? s.momentum : 1),
            T(s.nesterov ? -s.learning_rate : 0), T(decay)};
  }
  const double weight = -s.learning_rate * (s.nesterov ? s.momentum : 1);
  return {T(s.momentum), T(1 - s.dampening), T(weight),
          T(s.nesterov ? -s.learning_rate : 0), T(decay)};
}

Settings settings(const char* op, double learning_rate, double momentum,
                  double dampening, bool nesterov, double weight_decay,
                  const std::string& dialect) {
  if (dialect != "keras" && dialect != "torch") {
    raise_value(op,
                "dialect must be 'keras' or 'torch'; got '" + dialect + "'");
  }
  return {learning_rate, momentum, dampening,
          weight_decay,  nesterov, dialect == "keras"};
}

void sgd_step(py::handle param, py::handle grad, py::handle velocity,
              double learning_rate, double momentum, double dampening,
              bool nesterov, double weight_decay, const std::string& dialect) {
  constexpr const char* op = "sgd_step";
  const Settings s = settings(op, learning_rate, momentum, dampening, nesterov,
                              weight_decay, dialect);
  const bool moving = !velocity.is_none();
  TensorLists t{
      {borrow_many(op, "param", param), borrow_many(op, "grad", grad)}, 1};
  if (moving) t.lists.push_back(borrow_many(op, "velocity", velocity));
  check_lists(op, t);
  if (t.lists[0].empty()) return;
  visit_float(t.lists[0][0], [&](auto zero) {
    using T = decltype(zero);
    std::vector<SgdTensor<T>> tensors;
    for (std::size_t i = 0; i < t.lists[0].size(); ++i) {
      tensors.push_back({data<T>(t.lists[0][i]),
                         moving ? data<T>(t.lists[2][i]) : nullptr,
                         data<const T>(t.lists[1][i]), t.lists[0][i].size()});
    }
    const SgdStep<T> step{tensors.data(), Index(tensors.size()),
                          coefficients<T>(s, moving)};
    py::gil_scoped_release unlocked;
    backend::sgd_step(step, Stream{});
  });
}

void sgd_rows(py::handle param, py::handle grad, py::handle rows_object,
              py::handle velocity, double learning_rate, double momentum,
              double dampening, bool nesterov, double weight_decay,
              const std::string& dialect) {
  constexpr const char* op = "sgd_step";
  const Settings s = settings(op, learning_rate, momentum, dampening, nesterov,
                              weight_decay, dialect);
  const std::vector<Array> table{borrow(op, "param", param),
                                 borrow_optional(op, "velocity", velocity)};
  const Array g = borrow(op, "grad", grad);
  const Array rows = borrow(op, "rows", rows_object);
  check_rows(op, table, g, rows);
  visit_float(g, [&](auto zero) {
    using T = decltype(zero);
    const SgdRows<T> args{
        data<T>(table[0]),   data<T>(table[1]),
        data<const T>(g),    ids_of(rows),
        row_width(table[0]), coefficients<T>(s, bool(table[1].object))};
    py::gil_scoped_release unlocked;
    backend::sgd_rows(args, Stream{});
  });
}

}  // namespace

void bind_sgd(py::module_& m) {
  m.def("sgd_step", &sgd_step,
        "One step in place, on one tensor or on a list of tensors.",
        py::kw_only(), py::arg("param"), py::arg("grad"),
        py::arg("velocity") = py::none(), py::arg("learning_rate"),
        py::arg("momentum") = 0.0, py::arg("dampening") = 0.0,
        py::arg("nesterov") = false, py::arg("weight_decay") = 0.0,
        py::arg("dialect") = "keras");
  m.def("sgd_rows", &sgd_rows,
        "One step in place on some rows of a table, each named once.",
        py::kw_only(), py::arg("param"), py::arg("grad"), py::arg("rows"),
        py::arg("velocity") = py::none(), py::arg("learning_rate"),
        py::arg("momentum") = 0.0, py::arg("dampening") = 0.0,
        py::arg("nesterov") = false, py::arg("weight_decay") = 0.0,
        py::arg("dialect") = "keras");
}

}  // namespace strop::bind
