#include "bind/numbers.h"

namespace strop::bind {
namespace {

std::string type_of(py::handle object) {
  return py::str(py::type::handle_of(object).attr("__name__"));
}

}  // namespace

#if STROP_CUDA
bool read_numbers(const char* op, const char* name, py::handle object,
                  DType dtype, int ndim, Array& a) {
  a.name = name;
  if (!read_array(object, a)) {
    a = {};
    if (type_of(object) != "ndarray") return false;
    raise_type(op, std::string(name) +
                       " must be a number or a cupy array; got a numpy array "
                       "of shape " +
                       std::string(py::str(object.attr("shape"))) +
                       "; move it with cupy.asarray");
  }
  require_dtype(op, a, dtype);
  require_ndim(op, a, ndim);
  require_memory(op, a);
  return true;
}
#else
bool read_numbers(const char* op, const char* name, py::handle object, DType,
                  int, Array&) {
  const std::string module =
      py::str(py::type::handle_of(object).attr("__module__"));
  if (module.rfind("cupy", 0) == 0 ||
      py::hasattr(object, "__cuda_array_interface__")) {
    raise_type(op, std::string(name) +
                       " must be a number where param is a numpy array; got "
                       "an array on a GPU");
  }
  return false;
}
#endif

StepNumber<double> real_number(const char* op, const char* name,
                               py::handle object) {
  PyObject* o = object.ptr();
  StepNumber<double> result{};
  if (PyFloat_Check(o)) {
    result.number.value = PyFloat_AS_DOUBLE(o);
  } else if (!PyLong_Check(o) &&
             read_numbers(op, name, object, DType::kFloat64, 0, result.array)) {
    result.number.place = data<const double>(result.array);
  } else {
    result.number.value = PyFloat_AsDouble(o);
    if (PyErr_Occurred() != nullptr) {
      PyErr_Clear();
      raise_type(
          op, std::string(name) + " must be a number; got " + type_of(object));
    }
  }
  return result;
}

StepNumber<std::int64_t> whole_number(const char* op, const char* name,
                                      py::handle object) {
  PyObject* o = object.ptr();
  StepNumber<std::int64_t> result{};
  if (!PyLong_Check(o) &&
      read_numbers(op, name, object, DType::kInt64, 0, result.array)) {
    result.number.place = data<const std::int64_t>(result.array);
    return result;
  }
  const auto whole = py::reinterpret_steal<py::object>(PyNumber_Index(o));
  if (!whole) {
    PyErr_Clear();
    raise_type(op, std::string(name) + " must be a whole number; got " +
                       type_of(object));
  }
  int overflow = 0;
  result.number.value = PyLong_AsLongLongAndOverflow(whole.ptr(), &overflow);
  if (overflow != 0) {
    raise_value(op, std::string(name) + " must lie in 64 bits; got " +
                        std::string(py::str(whole)));
  }
  return result;
}

void check_at_least_0(const char* op, const char* name, double value) {
  if (!(value >= 0)) {
    raise_value(op, std::string(name) + " must be 0 or more; got " +
                        std::string(py::str(py::float_(value))));
  }
}

void check_first_step(const char* op, Index step) {
  if (step < 1) {
    raise_value(op, "step must be 1 or more; got " + std::to_string(step));
  }
}

StepNumbers numbers_of(const char* op, py::handle learning_rate,
                       py::handle step, py::handle grad_scale) {
  StepNumbers numbers = numbers_of(op, learning_rate, grad_scale);
  numbers.step = whole_number(op, "step", step);
  if (!numbers.step.array.object) {
    check_first_step(op, numbers.step.number.value);
  }
  return numbers;
}

}  // namespace strop::bind
