#include "bind/bound_step.h"

namespace strop::bind {
namespace {

constexpr const char* op = "bind";

}  // namespace

Bound*& Bound::making() {
  static thread_local Bound* bound = nullptr;
  return bound;
}

Bound::Bound(py::object step) : step_(std::move(step)) {
  struct Making {
    Bound* before;
    explicit Making(Bound* bound) : before(making()) { making() = bound; }
    ~Making() { making() = before; }
  };
  const Making now(this);
  step_();
  if (!launch_) {
    raise_value(op, "step must move an array; got a step of none");
  }
}

void Bound::keep(Launch launch, int device) {
  launch_ = std::move(launch);
  device_ = device;
}

void Bound::call(py::handle learning_rate, py::handle step,
                 py::handle grad_scale) {
  const StepNumbers numbers = numbers_of(op, learning_rate, step, grad_scale);
  Queue queue(op, device_);
  numbers.add_to(queue);
  launch_(numbers, queue.stream());
}

void bind_bound_step(py::module_& m) {
  using py::arg;
  py::class_<Bound>(m, "Bound", py::module_local(), "A step whose arrays stay.")
      .def(py::init<py::object>(), arg("step"))
      .def("__call__", &Bound::call, arg("learning_rate"), arg("step") = 1,
           arg("grad_scale") = 1.0);
}

}  // namespace strop::bind
