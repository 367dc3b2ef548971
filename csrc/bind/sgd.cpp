#include "kernels/sgd.h"

#include "bind/backend.h"
#include "bind/bound_step.h"
#include "bind/optimizer.h"

namespace strop::bind {
namespace {

constexpr const char* op = "sgd_step";

SgdRule rule_of(double momentum, double dampening, bool nesterov,
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
              py::handle learning_rate, double momentum, double dampening,
              bool nesterov, py::handle weight_decay,
              const std::string& dialect, double l2, py::handle grad_scale) {
  const bool moving = !velocity.is_none();
  const SgdRule rule = rule_of(momentum, dampening, nesterov, dialect, moving);
  const StepNumbers numbers = numbers_of(op, learning_rate, grad_scale);
  check_at_least_0(op, "l2", l2);
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
  numbers.add_to(queue);
  visit_float(t.lists[0][0], [&](auto zero) {
    using T = decltype(zero);
    std::vector<SgdTensor<T>> tensors;
    tensors.reserve(count);
    Index elements = 0;
    for (std::size_t i = 0; i < count; ++i) {
      elements += t.lists[0][i].size();
      tensors.push_back(
          {data<T>(t.lists[0][i]), moving ? data<T>(t.lists[2][i]) : nullptr,
           data<const T>(t.lists[1][i]), t.lists[0][i].size(), 0, decay[i]});
    }
    run(queue, numbers,
        [tensors = std::move(tensors), rule, l2, elements](
            const StepNumbers& n, Stream stream) mutable {
          for (SgdTensor<T>& t : tensors)
            t.decay = T(n.rate() * t.weight_decay);
          Doubles room;
          const SgdStep<T> args{tensors.data(), Index(tensors.size()),
                                coefficients_of<T>(rule, n.rate()),
                                Gradient<T>{T(n.scale()), T(l2)},
                                device_numbers(n, rule, l2, room)};
          const Release unlocked(elements);
          backend::sgd_step(args, stream);
        });
  });
}

void sgd_rows(py::handle param, py::handle grad, py::handle rows_object,
              py::handle velocity, py::handle learning_rate, double momentum,
              double dampening, bool nesterov, double weight_decay,
              const std::string& dialect, double l2, py::handle grad_scale) {
  const SgdRule rule =
      rule_of(momentum, dampening, nesterov, dialect, !velocity.is_none());
  const StepNumbers numbers = numbers_of(op, learning_rate, grad_scale);
  const GradientSettings gradient(op, l2, numbers.scale());
  const std::vector<Array> table{borrow(op, "param", param),
                                 borrow_optional(op, "velocity", velocity)};
  const Array g = borrow(op, "grad", grad);
  const Array rows = borrow(op, "rows", rows_object);
  Queue queue(op);
  add_all(queue, table, g, rows);
  numbers.add_to(queue);
  check_rows(op, table, g, rows);
  const Index width = row_width(table[0]);
  Doubles room;
  const auto device = device_numbers(numbers, rule, l2, room);
  visit_float(g, [&](auto zero) {
    using T = decltype(zero);
    const SgdRows<T> args{
        data<T>(table[0]),
        data<T>(table[1]),
        data<const T>(g),
        ids_of(rows),
        width,
        width,
        coefficients_of<T>(rule, numbers.rate(), weight_decay),
        gradient.as<T>(),
        table[0].shape[0],
        weight_decay,
        device};
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
