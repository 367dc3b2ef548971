// The clock of tables whose rows without a gradient move linearly.

#include "step/linear_clock.h"

#include <pybind11/stl.h>

#include "bind/backend.h"

namespace strop::bind {
namespace {

using step::LinearClock;

constexpr const char* op = "LinearClock";

// `last` of the rows is an index into the clock's lists.
void check_last(const Array& last, const Ids& rows, const LinearClock& clock) {
  const auto* steps = data<const std::int32_t>(last);
  for (Index i = 0; i < rows.size; ++i) {
    const Index id = rows.data == nullptr ? i : id_at(rows, i);
    if (steps[id] >= clock.base() && steps[id] <= clock.last()) continue;
    raise_value(op, "last must lie in [" + std::to_string(clock.base()) + ", " +
                        std::to_string(clock.last()) +
                        "], the steps of the clock; got " +
                        std::to_string(steps[id]) + " at (" +
                        std::to_string(id) + ",)");
  }
}

py::object catch_up(const LinearClock& clock, py::handle param_object,
                    const std::vector<py::object>& state_objects,
                    py::handle last_object, py::handle rows_object,
                    bool write) {
  const Array param = borrow(op, "param", param_object);
  require_float(op, param);
  require_ndim(op, param, 2);
  if (write) require_writable(op, param);
  std::vector<Array> states;
  for (const py::object& object : state_objects) {
    const Array a = borrow(op, "state", object);
    require_dtype_like(op, a, param);
    require_same_shape(op, a, param);
    if (write) require_writable(op, a);
    states.push_back(a);
  }
  if (states.size() != clock.states()) {
    raise_value(op, "states must be " + std::to_string(clock.states()) +
                        " arrays; got " + std::to_string(states.size()));
  }
  const Array last = borrow(op, "last", last_object);
  if (last.dtype != DType::kInt32) {
    raise_type(op, "last must be int32; got a " + describe(last));
  }
  require_shape(op, last, {param.shape[0]});
  if (write) require_writable(op, last);
  const Array listed = borrow_optional(op, "rows", rows_object);
  Ids rows{nullptr, param.shape[0], false};
  if (listed.object) {
    require_ids(op, listed);
    require_ids_in(op, listed, param.shape[0]);
    rows = ids_of(listed);
  }
  check_last(last, rows, clock);
  py::object result = py::none();
  if (!write) result = new_array({rows.size, param.shape[1]}, param.dtype);
  const Array out = borrow_optional(op, "result", result);
  visit_float(param, [&](auto zero) {
    using T = decltype(zero);
    step::LinearTable<T> table{data<T>(param),
                               {},
                               data<std::int32_t>(last),
                               param.shape[0],
                               param.shape[1]};
    for (const Array& a : states) table.states.push_back(data<T>(a));
    Unlocked unlocked;
    if (write) {
      clock.catch_up(table, rows);
    } else {
      clock.peek(table, rows, data<T>(out));
    }
  });
  return result;
}

}  // namespace

void bind_linear_clock(py::module_& m) {
  py::class_<LinearClock>(
      m, "LinearClock",
      "The steps that rows without a gradient have missed, where they move "
      "linearly.")
      .def(py::init<std::vector<double>, bool>(), py::arg("factors"),
           py::arg("narrow"))
      .def("restart", &LinearClock::restart, py::arg("base"))
      .def("advance", &LinearClock::advance, py::arg("push"), py::arg("decay"))
      .def("catch_up", &catch_up,
           "Rows brought up to the last step, in place, or as copies.",
           py::arg("param"), py::arg("states"), py::arg("last"),
           py::arg("rows") = py::none(), py::arg("write") = true)
      .def_property_readonly("full", &LinearClock::full)
      .def_property_readonly("base", &LinearClock::base)
      .def_property_readonly("last", &LinearClock::last);
}

}  // namespace strop::bind
