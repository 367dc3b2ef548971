// The sequence of a recurrent layer in one call: x W over all steps, the steps,
// and behind the backward pass the products that give the gradients by x, W
// and U. No Python runs between them.

#include "bind/recurrent.h"

namespace strop::bind {
namespace {

py::tuple recurrent(py::handle x, py::handle kernel,
                    py::handle recurrent_kernel, py::handle bias,
                    py::handle mask, py::handle initial_h, py::handle initial_c,
                    py::handle factor, const std::string& cell,
                    const std::string& activation,
                    const std::string& recurrent_activation, bool backwards,
                    bool zeros, bool sequences, bool save) {
  constexpr const char* op = "recurrent";
  const Sequence q =
      sequence_of(op, x, kernel, recurrent_kernel, bias, mask, factor,
                  setting_of(op, cell, activation, recurrent_activation));
  const Array h = optional_array(op, "initial_h", initial_h, q.x, q.of_state());
  const Array c = optional_array(op, "initial_c", initial_c, q.x, q.of_state());
  const Queue queue(op, q.x, q.kernel, q.recurrent, q.bias, q.mask, q.factor, h,
                    c);
  const bool lstm = q.setting.cell == RecurrentCell::kLstm;
  const bool simple = q.setting.cell == RecurrentCell::kSimple;
  py::object gates = new_like(q.x, q.of_steps(q.gates * q.units));
  py::object out = new_like(q.x, q.of_steps(q.units), sequences);
  py::object final_h = new_like(q.x, q.of_state());
  py::object final_c = new_like(q.x, q.of_state(), lstm);
  py::object before = new_like(q.x, q.of_steps(q.units), save);
  py::object carried = new_like(q.x, q.of_steps(q.units), save && !simple);
  visit_float(q.x, [&](auto zero) {
    using T = decltype(zero);
    const T* inner = data<const T>(q.bias);
    if (inner != nullptr) inner += 5 * q.units;
    const RecurrentForward<T> args{
        memory_of<T>(gates),
        data<const T>(q.recurrent),
        q.setting.cell == RecurrentCell::kGru ? inner : nullptr,
        data<const bool>(q.mask),
        data<const T>(h),
        data<const T>(c),
        data<const T>(q.factor),
        memory_of<T>(out),
        memory_of<T>(final_h),
        memory_of<T>(final_c),
        memory_of<T>(before),
        memory_of<T>(carried),
        q.batch,
        q.steps,
        q.units,
        q.setting.cell,
        q.setting.activation,
        q.setting.recurrent_activation,
        backwards,
        zeros};
    const Release unlocked(q.x.size());
    project<T>(q, args.gates, queue);
    backend::recurrent_forward(args, queue.stream());
  });
  return py::make_tuple(out, final_h, final_c,
                        save ? gates : py::object(py::none()), before, carried);
}

py::tuple recurrent_backward(
    py::handle grad_out, py::handle grad_h, py::handle grad_c, py::handle x,
    py::handle kernel, py::handle recurrent_kernel, py::handle gates,
    py::handle before, py::handle carried, py::handle mask,
    py::handle initial_c, py::handle factor, const std::string& cell,
    const std::string& activation, const std::string& recurrent_activation,
    bool backwards, bool zeros, bool bias, bool need_x) {
  constexpr const char* op = "recurrent_backward";
  const Sequence q =
      sequence_of(op, x, kernel, recurrent_kernel, py::none(), mask, factor,
                  setting_of(op, cell, activation, recurrent_activation));
  const std::vector<Index> of_gates = q.of_steps(q.gates * q.units);
  const std::vector<Index> of_units = q.of_steps(q.units);
  const bool lstm = q.setting.cell == RecurrentCell::kLstm;
  const bool gru = q.setting.cell == RecurrentCell::kGru;
  const auto optional = [&](const char* name, py::handle object,
                            const std::vector<Index>& shape) {
    return optional_array(op, name, object, q.x, shape);
  };
  const Array by_out = optional("grad", grad_out, of_units);
  const Array by_h = optional("grad_h", grad_h, q.of_state());
  const Array by_c = optional("grad_c", grad_c, q.of_state());
  const Array c = optional("initial_c", initial_c, q.of_state());
  const Array saved_gates = optional("gates", gates, of_gates);
  const Array saved_before = optional("before", before, of_units);
  const Array saved_carried = optional("carried", carried, of_units);
  if (gates.is_none() || before.is_none()) {
    raise_value(op, "run must have been saved; got one made with save=False");
  }
  const Queue queue(op, q.x, q.kernel, q.recurrent, q.mask, q.factor, by_out,
                    by_h, by_c, c, saved_gates, saved_before, saved_carried);
  py::object grad_initial_h = new_like(q.x, q.of_state());
  py::object grad_initial_c = new_like(q.x, q.of_state(), lstm);
  py::object grad_x = new_like(q.x, q.of_steps(q.inputs), need_x);
  const std::vector<Index> of_kernel{q.inputs, q.gates * q.units};
  const std::vector<Index> of_recurrent{q.units, q.gates * q.units};
  py::object grad_kernel = new_like(q.x, of_kernel);
  py::object grad_recurrent_kernel = new_like(q.x, of_recurrent);
  std::vector<Index> of_bias{q.gates * q.units};
  if (gru) of_bias = {2, q.gates * q.units};
  py::object grad_bias = new_like(q.x, of_bias, bias);
  const bool sums =
      sums_gradients(q.setting.cell, q.batch, q.steps, q.inputs, q.units);
  py::object grad_gates = new_like(q.x, of_gates, !sums);
  py::object grad_inner = new_like(q.x, of_gates, !sums && gru);
  visit_float(q.x, [&](auto zero) {
    using T = decltype(zero);
    const RecurrentBackward<T> args{data<const T>(by_out),
                                    data<const T>(by_h),
                                    data<const T>(by_c),
                                    data<const T>(q.x),
                                    data<const T>(q.kernel),
                                    data<const T>(q.recurrent),
                                    data<const T>(saved_gates),
                                    data<const T>(saved_before),
                                    data<const T>(saved_carried),
                                    data<const bool>(q.mask),
                                    data<const T>(c),
                                    data<const T>(q.factor),
                                    memory_of<T>(grad_gates),
                                    memory_of<T>(grad_inner),
                                    memory_of<T>(grad_x),
                                    memory_of<T>(grad_kernel),
                                    memory_of<T>(grad_recurrent_kernel),
                                    memory_of<T>(grad_bias),
                                    memory_of<T>(grad_initial_h),
                                    memory_of<T>(grad_initial_c),
                                    q.batch,
                                    q.steps,
                                    q.inputs,
                                    q.units,
                                    q.setting.cell,
                                    q.setting.activation,
                                    q.setting.recurrent_activation,
                                    backwards,
                                    zeros};
    const Release unlocked(q.x.size());
    backend::recurrent_backward(args, queue.stream());
    if (!sums) products<T>(q, args, queue);
  });
  return py::make_tuple(grad_x, grad_kernel, grad_recurrent_kernel, grad_bias,
                        grad_initial_h, grad_initial_c);
}

}  // namespace

void bind_recurrent(py::module_& m) {
  m.def("recurrent", &recurrent,
        "(out, h, c, gates, before, carried) of a sequence: see "
        "strop.ops.recurrent.",
        py::arg("x"), py::arg("kernel"), py::arg("recurrent_kernel"),
        py::arg("bias"), py::arg("mask"), py::arg("initial_h"),
        py::arg("initial_c"), py::arg("factor"), py::arg("cell"),
        py::arg("activation"), py::arg("recurrent_activation"),
        py::arg("backwards"), py::arg("zeros"), py::arg("sequences"),
        py::arg("save"));
  m.def("recurrent_backward", &recurrent_backward,
        "Gradients by x, kernel, recurrent_kernel, bias and the states: see "
        "strop.ops.recurrent_backward.",
        py::arg("grad_out"), py::arg("grad_h"), py::arg("grad_c"), py::arg("x"),
        py::arg("kernel"), py::arg("recurrent_kernel"), py::arg("gates"),
        py::arg("before"), py::arg("carried"), py::arg("mask"),
        py::arg("initial_c"), py::arg("factor"), py::arg("cell"),
        py::arg("activation"), py::arg("recurrent_activation"),
        py::arg("backwards"), py::arg("zeros"), py::arg("bias"),
        py::arg("need_x"));
}

}  // namespace strop::bind
