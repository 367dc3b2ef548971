#include "kernels/adam.h"

#include "bind/backend.h"
#include "bind/bound_step.h"
#include "bind/optimizer.h"

namespace strop::bind {
namespace {

constexpr const char* op = "adam_step";

void adam_step(py::handle param, py::handle grad, py::handle moment1,
               py::handle moment2, py::handle max_moment2,
               py::handle learning_rate, py::handle step, double beta1,
               double beta2, double eps, const std::string& eps_mode,
               py::handle weight_decay, bool bias_correction, double l2,
               py::handle grad_scale) {
  const AdamRule rule =
      adam_rule(op, beta1, beta2, eps, eps_mode, bias_correction);
  const StepNumbers numbers = numbers_of(op, learning_rate, step, grad_scale);
  check_at_least_0(op, "l2", l2);
  TensorLists t;
  t.add(op, "param", param);
  t.add(op, "grad", grad);
  t.add(op, "moment1", moment1);
  t.add(op, "moment2", moment2);
  const bool amsgrad = !max_moment2.is_none();
  if (amsgrad) t.add(op, "max_moment2", max_moment2);
  check_lists(op, t);
  const std::size_t count = t.lists[0].size();
  const std::vector<double> decay = decays(op, weight_decay, count);
  if (count == 0) return;
  Queue queue(op);
  add_all(queue, t);
  numbers.add_to(queue);
  visit_float(t.lists[0][0], [&](auto zero) {
    using T = decltype(zero);
    std::vector<AdamTensor<T>> tensors;
    tensors.reserve(count);
    Index elements = 0;
    for (std::size_t i = 0; i < count; ++i) {
      elements += t.lists[0][i].size();
      tensors.push_back(
          {data<T>(t.lists[0][i]), data<T>(t.lists[2][i]),
           data<T>(t.lists[3][i]), amsgrad ? data<T>(t.lists[4][i]) : nullptr,
           data<const T>(t.lists[1][i]), t.lists[0][i].size(), 0, decay[i]});
    }
    run(queue, numbers,
        [tensors = std::move(tensors), rule, l2, elements](
            const StepNumbers& n, Stream stream) mutable {
          for (AdamTensor<T>& t : tensors)
            t.decay = T(n.rate() * t.weight_decay);
          Doubles room;
          const AdamStep<T> args{
              tensors.data(), Index(tensors.size()),
              coefficients_of<T>(rule, n.step.number.value, n.rate()),
              Gradient<T>{T(n.scale()), T(l2)},
              device_numbers(n, rule, l2, room)};
          const Release unlocked(elements);
          backend::adam_step(args, stream);
        });
  });
}

void adam_rows(py::handle param, py::handle grad, py::handle rows_object,
               py::handle moment1, py::handle moment2, py::handle max_moment2,
               py::handle learning_rate, py::handle step, double beta1,
               double beta2, double eps, const std::string& eps_mode,
               double weight_decay, bool bias_correction, double l2,
               py::handle grad_scale) {
  const AdamRule rule =
      adam_rule(op, beta1, beta2, eps, eps_mode, bias_correction);
  const StepNumbers numbers = numbers_of(op, learning_rate, step, grad_scale);
  const GradientSettings gradient(op, l2, numbers.scale());
  const std::vector<Array> table{
      borrow(op, "param", param), borrow(op, "moment1", moment1),
      borrow(op, "moment2", moment2),
      borrow_optional(op, "max_moment2", max_moment2)};
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
    const AdamRows<T> args{data<T>(table[0]),
                           data<T>(table[1]),
                           data<T>(table[2]),
                           data<T>(table[3]),
                           data<const T>(g),
                           ids_of(rows),
                           width,
                           width,
                           coefficients_of<T>(rule, numbers.step.number.value,
                                              numbers.rate(), weight_decay),
                           gradient.as<T>(),
                           table[0].shape[0],
                           weight_decay,
                           device};
    Unlocked unlocked;
    backend::adam_rows(args, queue.stream());
  });
}

}  // namespace

void bind_adam(py::module_& m) {
  m.def("adam_step", &adam_step,
        "One Adam step in place, on one tensor or on a list of tensors.",
        py::arg("param"), py::arg("grad"), py::arg("moment1"),
        py::arg("moment2"), py::arg("max_moment2") = py::none(),
        py::arg("learning_rate"), py::arg("step"), py::arg("beta1") = 0.9,
        py::arg("beta2") = 0.999, py::arg("eps") = 1e-7,
        py::arg("eps_mode") = "hat", py::arg("weight_decay") = 0.0,
        py::arg("bias_correction") = true, py::arg("l2") = 0.0,
        py::arg("grad_scale") = 1.0);
  m.def("adam_rows", &adam_rows,
        "One Adam step in place on some rows of a table, each named once.",
        py::arg("param"), py::arg("grad"), py::arg("rows"), py::arg("moment1"),
        py::arg("moment2"), py::arg("max_moment2") = py::none(),
        py::arg("learning_rate"), py::arg("step"), py::arg("beta1") = 0.9,
        py::arg("beta2") = 0.999, py::arg("eps") = 1e-7,
        py::arg("eps_mode") = "hat", py::arg("weight_decay") = 0.0,
        py::arg("bias_correction") = true, py::arg("l2") = 0.0,
        py::arg("grad_scale") = 1.0);
}

}  // namespace strop::bind
