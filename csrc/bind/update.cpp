#include "bind/update.h"

#include "kernels/update.h"

namespace strop::bind {

void bind_update_moments(py::module_& m);

void check_betas(const char* op, double beta1, double beta2) {
  for (const double beta : {beta1, beta2}) {
    if (!(beta >= 0 && beta < 1)) {
      raise_value(op, "beta1 and beta2 must lie in [0, 1); got " +
                          std::string(py::str(py::float_(beta))));
    }
  }
}

void check_rho(const char* op, double rho) {
  if (!(rho >= 0 && rho <= 1)) {
    raise_value(op, "rho must lie in [0, 1]; got " +
                        std::string(py::str(py::float_(rho))));
  }
}

bool keras_dialect(const char* op, const std::string& dialect) {
  if (dialect != "keras" && dialect != "torch") {
    raise_value(op,
                "dialect must be 'keras' or 'torch'; got '" + dialect + "'");
  }
  return dialect == "keras";
}

StepArrays step_arrays(const StepArguments& a, StateArguments states,
                       Queue& queue) {
  const char* op = a.op;
  StepArrays arrays;
  std::vector<std::vector<Array>>& lists = arrays.tensors.lists;
  const bool all = a.rows.is_none();
  const auto add = [&](const char* name, py::handle object) {
    if (all) {
      arrays.tensors.add(op, name, object);
    } else {
      lists.push_back({borrow(op, name, object)});
    }
  };
  add("param", a.param);
  add("grad", a.grad);
  for (const StateArgument& state : states) {
    const bool given = !(state.optional && state.arrays.is_none());
    arrays.place.push_back(given ? int(lists.size()) : -1);
    if (given) add(state.name, state.arrays);
  }
  add_all(queue, arrays.tensors);
  a.numbers.add_to(queue);
  if (all) {
    check_lists(op, arrays.tensors);
  } else {
    arrays.rows = borrow(op, "rows", a.rows);
    queue.add(arrays.rows);
    std::vector<Array> table;
    for (std::size_t k = 0; k < lists.size(); ++k) {
      if (k != TensorLists::grad) table.push_back(lists[k][0]);
    }
    check_rows(op, table, lists[TensorLists::grad][0], arrays.rows);
  }
  arrays.decay = decays(op, a.weight_decay, lists[0].size());
  return arrays;
}

namespace {

void rmsprop_step(py::handle param, py::handle grad, py::handle rows,
                  py::handle mean_square, py::handle mean_grad,
                  py::handle velocity, py::handle learning_rate, double rho,
                  double momentum, double eps, const std::string& dialect,
                  py::handle weight_decay, double l2, py::handle grad_scale) {
  constexpr const char* op = "rmsprop_step";
  const bool keras = keras_dialect(op, dialect);
  check_rho(op, rho);
  check_at_least_0(op, "momentum", momentum);
  check_at_least_0(op, "eps", eps);
  if (momentum != 0 && velocity.is_none()) {
    raise_value(op, "velocity must be given with momentum; got None");
  }
  take_step<Rmsprop>(
      {op, param, grad, rows, numbers_of(op, learning_rate, grad_scale),
       weight_decay, l2},
      {{"mean_square", mean_square},
       {"mean_grad", mean_grad, true},
       {"velocity", velocity, true}},
      {rho, momentum, eps, keras}, [](const auto& args, Stream stream) {
        backend::rmsprop_step(args, stream);
      });
}

void adagrad_step(py::handle param, py::handle grad, py::handle rows,
                  py::handle sum_square, py::handle learning_rate, double eps,
                  const std::string& dialect, py::handle weight_decay,
                  double l2, py::handle grad_scale) {
  constexpr const char* op = "adagrad_step";
  const bool keras = keras_dialect(op, dialect);
  check_at_least_0(op, "eps", eps);
  take_step<Adagrad>(
      {op, param, grad, rows, numbers_of(op, learning_rate, grad_scale),
       weight_decay, l2},
      {{"sum_square", sum_square}}, {eps, keras},
      [](const auto& args, Stream stream) {
        backend::adagrad_step(args, stream);
      });
}

void adadelta_step(py::handle param, py::handle grad, py::handle rows,
                   py::handle mean_square, py::handle mean_square_move,
                   py::handle learning_rate, double rho, double eps,
                   py::handle weight_decay, double l2, py::handle grad_scale) {
  constexpr const char* op = "adadelta_step";
  check_rho(op, rho);
  check_at_least_0(op, "eps", eps);
  take_step<Adadelta>(
      {op, param, grad, rows, numbers_of(op, learning_rate, grad_scale),
       weight_decay, l2},
      {{"mean_square", mean_square}, {"mean_square_move", mean_square_move}},
      {rho, eps}, [](const auto& args, Stream stream) {
        backend::adadelta_step(args, stream);
      });
}

void rprop_step(py::handle param, py::handle grad, py::handle rows,
                py::handle previous_grad, py::handle step_size, double shrink,
                double grow, double smallest, double greatest,
                py::handle grad_scale) {
  constexpr const char* op = "rprop_step";
  const auto text = [](double a, double b) {
    return std::string(py::str(py::make_tuple(a, b)));
  };
  if (!(shrink > 0 && shrink < 1 && grow > 1)) {
    raise_value(op,
                "etas must be (shrink, grow) with 0 < shrink < 1 < grow; "
                "got " +
                    text(shrink, grow));
  }
  if (!(smallest >= 0 && smallest <= greatest)) {
    raise_value(op, "step_sizes must be (least, greatest), 0 or more; got " +
                        text(smallest, greatest));
  }
  const py::float_ none(0.0);
  take_step<Rprop>(
      {op, param, grad, rows, numbers_of(op, none, grad_scale), none, 0},
      {{"previous_grad", previous_grad}, {"step_size", step_size}},
      {shrink, grow, smallest, greatest}, [](const auto& args, Stream stream) {
        backend::rprop_step(args, stream);
      });
}

}  // namespace

void bind_update(py::module_& m) {
  using py::arg;
  m.def("rmsprop_step", &rmsprop_step, "One RMSprop step in place.",
        arg("param"), arg("grad"), arg("rows"), arg("mean_square"),
        arg("mean_grad"), arg("velocity"), arg("learning_rate"), arg("rho"),
        arg("momentum"), arg("eps"), arg("dialect"), arg("weight_decay"),
        arg("l2"), arg("grad_scale"));
  m.def("adagrad_step", &adagrad_step, "One Adagrad step in place.",
        arg("param"), arg("grad"), arg("rows"), arg("sum_square"),
        arg("learning_rate"), arg("eps"), arg("dialect"), arg("weight_decay"),
        arg("l2"), arg("grad_scale"));
  m.def("adadelta_step", &adadelta_step, "One Adadelta step in place.",
        arg("param"), arg("grad"), arg("rows"), arg("mean_square"),
        arg("mean_square_move"), arg("learning_rate"), arg("rho"), arg("eps"),
        arg("weight_decay"), arg("l2"), arg("grad_scale"));
  m.def("rprop_step", &rprop_step, "One Rprop step in place.", arg("param"),
        arg("grad"), arg("rows"), arg("previous_grad"), arg("step_size"),
        arg("shrink"), arg("grow"), arg("smallest"), arg("greatest"),
        arg("grad_scale"));
  bind_update_moments(m);
}

}  // namespace strop::bind
