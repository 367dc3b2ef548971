#include "bind/backend.h"
#include "bind/optimizer.h"

namespace strop::bind {
namespace {

constexpr const char* op = "sgd_step";

step::SgdRule rule_of(double momentum, double dampening, bool nesterov,
                      const std::string& dialect, bool moving) {
  if (dialect != "keras" && dialect != "torch") {
    raise_value(op,
                "dialect must be 'keras' or 'torch'; got '" + dialect + "'");
  }
  if (!moving && momentum != 0) {
    raise_value(op, "velocity must be given with momentum; got None");
  }
  if (nesterov && momentum == 0) {
    raise_value(op, "nesterov must come with momentum; got momentum=0");
  }
  return {momentum, dampening, nesterov, dialect == "keras", moving};
}

void sgd_step(py::handle param, py::handle grad, py::handle velocity,
              double learning_rate, double momentum, double dampening,
              bool nesterov, py::handle weight_decay,
              const std::string& dialect, double l2, double grad_scale) {
  const bool moving = !velocity.is_none();
  const step::SgdRule rule =
      rule_of(momentum, dampening, nesterov, dialect, moving);
  const GradientSettings gradient(op, l2, grad_scale);
  TensorLists t;
  t.add(op, "param", param);
  t.add(op, "grad", grad);
  if (moving) t.add(op, "velocity", velocity);
  check_lists(op, t);
  const std::size_t count = t.lists[0].size();
  const std::vector<double> decay = decays(op, weight_decay, count);
  if (count == 0) return;
  Queue queue(op);
  add_all(queue, t);
  visit_float(t.lists[0][0], [&](auto zero) {
    using T = decltype(zero);
    std::vector<SgdTensor<T>> tensors;
    tensors.reserve(count);
    Index elements = 0;
    for (std::size_t i = 0; i < count; ++i) {
      elements += t.lists[0][i].size();
      tensors.push_back({data<T>(t.lists[0][i]),
                         moving ? data<T>(t.lists[2][i]) : nullptr,
                         data<const T>(t.lists[1][i]), t.lists[0][i].size(),
                         T(learning_rate * decay[i])});
    }
    const SgdStep<T> args{tensors.data(), Index(count),
                          step::coefficients_of<T>(rule, learning_rate, 0),
                          gradient.as<T>()};
    const Release unlocked(elements);
    backend::sgd_step(args, queue.stream());
  });
}

void sgd_rows(py::handle param, py::handle grad, py::handle rows_object,
              py::handle velocity, double learning_rate, double momentum,
              double dampening, bool nesterov, double weight_decay,
              const std::string& dialect, double l2, double grad_scale) {
  const step::SgdRule rule =
      rule_of(momentum, dampening, nesterov, dialect, !velocity.is_none());
  const GradientSettings gradient(op, l2, grad_scale);
  const std::vector<Array> table{borrow(op, "param", param),
                                 borrow_optional(op, "velocity", velocity)};
  const Array g = borrow(op, "grad", grad);
  const Array rows = borrow(op, "rows", rows_object);
  Queue queue(op);
  add_all(queue, table, g, rows);
  check_rows(op, table, g, rows);
  const Index width = row_width(table[0]);
  visit_float(g, [&](auto zero) {
    using T = decltype(zero);
    const SgdRows<T> args{
        data<T>(table[0]),
        data<T>(table[1]),
        data<const T>(g),
        ids_of(rows),
        width,
        width,
        step::coefficients_of<T>(rule, learning_rate, weight_decay),
        gradient.as<T>(),
        table[0].shape[0]};
    Unlocked unlocked;
    backend::sgd_rows(args, queue.stream());
  });
}

}  // namespace

void bind_sgd(py::module_& m) {
  m.def("sgd_step", &sgd_step,
        "One step in place, on one tensor or on a list of tensors.",
        py::arg("param"), py::arg("grad"), py::arg("velocity") = py::none(),
        py::arg("learning_rate"), py::arg("momentum") = 0.0,
        py::arg("dampening") = 0.0, py::arg("nesterov") = false,
        py::arg("weight_decay") = 0.0, py::arg("dialect") = "keras",
        py::arg("l2") = 0.0, py::arg("grad_scale") = 1.0);
  m.def("sgd_rows", &sgd_rows,
        "One step in place on some rows of a table, each named once.",
        py::arg("param"), py::arg("grad"), py::arg("rows"),
        py::arg("velocity") = py::none(), py::arg("learning_rate"),
        py::arg("momentum") = 0.0, py::arg("dampening") = 0.0,
        py::arg("nesterov") = false, py::arg("weight_decay") = 0.0,
        py::arg("dialect") = "keras", py::arg("l2") = 0.0,
        py::arg("grad_scale") = 1.0);
}

}  // namespace strop::bind
