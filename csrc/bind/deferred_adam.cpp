#include "kernels/deferred_adam.h"

#include "bind/adam_clock.h"

namespace strop::bind {
namespace {

struct Table {
  Array param, moment1, moment2, max_moment2, last, rows;
  std::int64_t listed;  // rows
};

// `last` of the rows in question must lie in what the clock remembers: it is an
// index into the clock's lists.
template <typename RowAt>
void check_last(const char* op, const Table& t, const Clock& clock,
                const RowAt& row_at) {
  const auto* last = data<const std::int32_t>(t.last);
  const auto base = static_cast<std::uint32_t>(clock.base());
  const auto span = static_cast<std::uint32_t>(clock.last()) - base;
  for (Index i = 0; i < t.listed; ++i) {
    const std::int32_t step = last[row_at(i)];
    if (static_cast<std::uint32_t>(step) - base <= span) continue;
    raise_value(op, "last must lie in [" + std::to_string(clock.base()) + ", " +
                        std::to_string(clock.last()) +
                        "], the steps of the clock; got " +
                        std::to_string(step) + " at (" +
                        std::to_string(row_at(i)) + ",)");
  }
}

// On CUDA the kernel itself refuses such a row.
void check_last(const char* op, const Table& t, const Clock& clock) {
  const auto* narrow = data<const std::int32_t>(t.rows);
  const auto* wide = data<const std::int64_t>(t.rows);
  if (!t.rows.object) {
    check_last(op, t, clock, [](Index i) { return i; });
  } else if (t.rows.dtype == DType::kInt32) {
    check_last(op, t, clock, [=](Index i) { return Index{narrow[i]}; });
  } else {
    check_last(op, t, clock, [=](Index i) { return Index{wide[i]}; });
  }
}

Table table_of(const char* op, const Clock& clock, Queue& queue,
               py::handle param, py::handle moment1, py::handle moment2,
               py::handle max_moment2, py::handle last, py::handle rows,
               bool write = true) {
  Table t{borrow(op, "param", param),
          borrow(op, "moment1", moment1),
          borrow(op, "moment2", moment2),
          borrow_optional(op, "max_moment2", max_moment2),
          borrow(op, "last", last),
          borrow_optional(op, "rows", rows),
          0};
  require_float(op, t.param);
  require_ndim(op, t.param, 2);
  const std::vector<const Array*> arrays{&t.param, &t.moment1, &t.moment2,
                                         &t.max_moment2};
  for (const Array* a : arrays) queue.add(*a);
  queue.add(t.last);
  queue.add(t.rows);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Array& a = *arrays[i];
    if (!a.object) continue;
    require_dtype_like(op, a, t.param);
    require_same_shape(op, a, t.param);
    if (write) require_writable(op, a);
    for (std::size_t j = 0; j < i; ++j) require_disjoint(op, a, *arrays[j]);
  }
  if (clock.amsgrad() != bool(t.max_moment2.object)) {
    raise_value(op,
                clock.amsgrad()
                    ? "max_moment2 must be given for an AMSGrad clock; got None"
                    : "max_moment2 must be None for this clock; got an array");
  }
  if (t.last.dtype != DType::kInt32) {
    raise_type(op, "last must be int32; got a " + describe(t.last));
  }
  require_shape(op, t.last, {t.param.shape[0]});
  if (write) require_writable(op, t.last);
  t.listed = t.param.shape[0];
  if (t.rows.object) {
    require_ids(op, t.rows);
    require_ids_in(op, t.rows, t.param.shape[0]);
    t.listed = t.rows.size();
  }
  if constexpr (!kOnDevice) check_last(op, t, clock);
  return t;
}

template <typename T>
DeferredAdamCatchUp<T> arguments(const Clock& clock, const Table& t,
                                 T* gathered, bool peek, bool replay) {
  DeferredAdamCatchUp<T> args = step::catch_up_args(
      step::AdamTable<T>{data<T>(t.param), data<T>(t.moment1),
                         data<T>(t.moment2), data<T>(t.max_moment2),
                         data<std::int32_t>(t.last), t.param.shape[0],
                         t.param.shape[1]},
      t.rows.object ? ids_of(t.rows) : Ids{nullptr, t.listed, false}, clock);
  args.gathered = gathered;
  args.peek = peek;
  args.replay_all = replay;
  return args;
}

py::object catch_up(py::handle clock_object, py::handle param,
                    py::handle moment1, py::handle moment2,
                    py::handle max_moment2, py::handle last, py::handle rows,
                    bool gather, bool write, bool replay) {
  constexpr const char* op = "deferred_adam_catch_up";
  Clock& clock = clock_of(op, clock_object);
  Queue queue(op);
  const Table t = table_of(op, clock, queue, param, moment1, moment2,
                           max_moment2, last, rows, write);
  py::object result = py::none();
  if (gather || !write) {
    result = new_array({t.listed, t.param.shape[1]}, t.param.dtype);
  }
  const Array out = borrow_optional(op, "result", result);
  visit_float(t.param, [&](auto zero) {
    using T = decltype(zero);
    use_clock<T>(op, clock, queue);
    const auto args = arguments<T>(clock, t, data<T>(out), !write, replay);
    Unlocked unlocked;
    backend::deferred_adam_catch_up(args, queue.stream());
  });
  return result;
}

void step(py::handle clock_object, py::handle param, py::handle grad,
          py::handle rows, py::handle moment1, py::handle moment2,
          py::handle max_moment2, py::handle last, py::handle caught_up,
          py::handle learning_rate, double weight_decay, bool replay) {
  constexpr const char* op = "deferred_adam_step";
  const StepNumber<double> rate =
      real_number(op, "learning_rate", learning_rate);
  Clock& clock = clock_of(op, clock_object);
  borrow(op, "rows", rows);  // here None is not all of them
  Queue queue(op);
  const Table t = table_of(op, clock, queue, param, moment1, moment2,
                           max_moment2, last, rows);
  const Array g = borrow(op, "grad", grad);
  queue.add(g);
  queue.add(rate.array);
  check_rows(op, {t.param, t.moment1, t.moment2, t.max_moment2}, g, t.rows);
  const Array known = borrow_optional(op, "caught_up", caught_up);
  if (known.object) {
    require_dtype_like(op, known, t.param);
    require_same_shape(op, known, g);
    for (const Array* a : {&t.param, &t.moment1, &t.moment2, &t.max_moment2}) {
      require_disjoint(op, known, *a);
    }
  }
  const bool closed =
      rate.number.value >= 0 && rate.number.value * weight_decay < 1;
  if (!replay && !closed) {
    raise_value(op,
                "learning_rate must be 0 or more, and below 1 over "
                "weight_decay; got " +
                    std::string(py::str(py::float_(rate.number.value))));
  }
  visit_float(t.param, [&](auto zero) {
    using T = decltype(zero);
    [[maybe_unused]] auto device = use_clock<T>(op, clock, queue);
    DeferredAdamStep<T> args{
        arguments<T>(clock, t, nullptr, false, replay), data<const T>(known),
        data<const T>(g),
        coefficients_of<T>(clock.rule(), clock.last() + 1, rate.number.value,
                           weight_decay)};
#if STROP_CUDA
    args.advance = {&device, rate.number.value, rate.number.place,
                    weight_decay};
#endif
    Unlocked unlocked;
    backend::deferred_adam_step(args, queue.stream());
  });
  if (!rate.array.object) {
    took_step(clock, rate.number.value, weight_decay);
  }
}

}  // namespace

void bind_deferred_adam(py::module_& m) {
  m.def("deferred_adam_catch_up", &catch_up,
        "Rows brought up to the clock's last step.", py::arg("clock"),
        py::kw_only(), py::arg("param"), py::arg("moment1"), py::arg("moment2"),
        py::arg("max_moment2") = py::none(), py::arg("last"),
        py::arg("rows") = py::none(), py::arg("gather") = false,
        py::arg("write") = true, py::arg("replay") = false);
  m.def("deferred_adam_step", &step,
        "Rows brought up to date and stepped; the clock goes on by one step.",
        py::arg("clock"), py::kw_only(), py::arg("param"), py::arg("grad"),
        py::arg("rows"), py::arg("moment1"), py::arg("moment2"),
        py::arg("max_moment2") = py::none(), py::arg("last"),
        py::arg("caught_up") = py::none(), py::arg("learning_rate"),
        py::arg("weight_decay") = 0.0, py::arg("replay") = false);
}

}  // namespace strop::bind
