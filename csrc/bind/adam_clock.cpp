// AdamClock of Python.

#include "bind/adam_clock.h"

#include <pybind11/stl.h>

namespace strop::bind {
namespace {

constexpr const char* op = "AdamClock";

Clock new_clock(double beta1, double beta2, double eps, bool hat,
                bool bias_correction, bool amsgrad, int degree, int window) {
  const AdamRule rule =
      adam_rule(op, beta1, beta2, eps, hat ? "hat" : "torch", bias_correction);
  if (degree != 3 && degree != 4 && degree != 8) {
    raise_value(op, "degree must be 3, 4 or 8; got " + std::to_string(degree));
  }
  if (window < 1 || window >= kClockPowers) {
    raise_value(op,
                "window must lie in [1, 4096); got " + std::to_string(window));
  }
  return Clock(rule, amsgrad, degree, window);
}

void restart(Clock& clock, std::int32_t base, py::handle last_object) {
  const Array last = borrow_optional(op, "last", last_object);
  if (last.object) {
    if (last.dtype != DType::kInt32) {
      raise_type(op, "last must be int32; got a " + describe(last));
    }
    require_writable(op, last);
  }
#if STROP_CUDA
  clock.restart(base, last);
#else
  if (last.object) {
    std::fill_n(data<std::int32_t>(last), last.size(), base);
  }
  clock.restart(base);
#endif
}

std::vector<double> coefficients(const Clock& clock, std::int32_t s) {
  if (s < clock.base() || s > clock.last()) {
    raise_value("coefficients", "step must lie in [" +
                                    std::to_string(clock.base()) + ", " +
                                    std::to_string(clock.last()) + "]; got " +
                                    std::to_string(s));
  }
  return clock.coefficients(s);
}

}  // namespace

Clock& clock_of(const char* caller, py::handle object) {
  if (!py::isinstance<Clock>(object)) {
    raise_type(caller, std::string("clock must be an AdamClock of ") +
                           kLibrary + " arrays; got " +
                           std::string(py::str(py::type::handle_of(object))));
  }
  return object.cast<Clock&>();
}

void bind_adam_clock(py::module_& m) {
  py::class_<Clock>(m, "AdamClock", py::module_local(),
                    "The steps that rows without a gradient have missed.")
      .def(py::init(&new_clock), py::arg("beta1"), py::arg("beta2"),
           py::arg("eps"), py::arg("hat"), py::arg("bias_correction"),
           py::arg("amsgrad"), py::arg("degree"), py::arg("window"))
      .def("use_float32", &Clock::use_float32)
      .def("restart", &restart, py::arg("base"), py::arg("last") = py::none())
      .def("advance", &Clock::advance, py::arg("learning_rate"),
           py::arg("weight_decay"))
      .def("coefficients", &coefficients, py::arg("step"))
#if STROP_CUDA
      .def("count", &Clock::count, py::arg("steps"), py::arg("kept"))
#endif
      .def_property_readonly("full", &Clock::full)
      .def_property_readonly("room", &Clock::room)
      .def_property_readonly("base", &Clock::base)
      .def_property_readonly("last", &Clock::last)
      .def_property_readonly("degree", &Clock::degree)
      .def_property_readonly("window", &Clock::window);
}

}  // namespace strop::bind
