// A product of 16 x 16 x 16 takes 0.1 us, a third of what a call through
// pybind11's argument parser does: these two functions take their arguments by
// position, straight from the interpreter. strop.ops gives them their names.

#include "kernels/matmul.h"

#include "bind/activation.h"
#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

constexpr const char* kForwardDoc =
    "matmul(a, b, transpose_a, transpose_b, bias, activation, out, precision, "
    "/)\n--\n\n"
    "activation(a b + bias): see strop.ops.matmul.";
constexpr const char* kBackwardDoc =
    "matmul_backward(grad, a, b, output, activation, bias, need_a, precision, "
    "/)\n--\n\n"
    "(grad_a, grad_b, grad_bias): see strop.ops.matmul_backward.";

// Products below this many multiply-adds, 1 us of work, keep the GIL.
constexpr Index kHoldGil = 50'000;

bool flag(const char* op, const char* name, PyObject* object) {
  if (object == Py_True) return true;
  if (object == Py_False) return false;
  raise_type(op, std::string(name) + " must be a bool; got " +
                     Py_TYPE(object)->tp_name);
}

// Only the library of a GPU knows another one than float32, of float32 arrays.
Precision precision_of(const char* op, PyObject* object, const Array& like) {
  if (!PyUnicode_Check(object)) {
    raise_type(op, std::string("precision must be a str; got ") +
                       Py_TYPE(object)->tp_name);
  }
  if (PyUnicode_CompareWithASCIIString(object, "float32") == 0) {
    return Precision::kFloat32;
  }
  const std::string got = "; got " + std::string(py::repr(object));
  if (PyUnicode_CompareWithASCIIString(object, "tf32") != 0) {
    raise_value(op, "precision must be 'float32' or 'tf32'" + got);
  }
  if (!kOnDevice) {
    raise_value(op, "precision must be 'float32' for arrays on the CPU" + got);
  }
  if (like.dtype != DType::kFloat32) {
    raise_value(op, "precision must be 'float32' for float64 arrays" + got);
  }
  return Precision::kTf32;
}

// `a` must have `extent` along the axis that meets `like`.
void require_axis(const char* op, const Array& a, int axis, Index extent,
                  const Array& like) {
  if (a.shape[axis] == extent) return;
  raise_value(op, std::string(a.name) + " must have " +
                      (axis == 0 ? "first" : "last") + " axis " +
                      std::to_string(extent) + " to match " + like.name +
                      " of shape " + shape_text(like.shape, like.ndim) +
                      "; got shape " + shape_text(a.shape, a.ndim));
}

Array matrix(const char* op, const char* name, PyObject* object) {
  const Array a = borrow(op, name, object);
  require_float(op, a);
  require_ndim(op, a, 2);
  return a;
}

template <typename Args>
void run(Args args, void (*kernel)(const Args&, Stream), const Queue& queue) {
  Doubles workspace(matmul_workspace(args));
  args.workspace = workspace.data();
  // On CUDA it is a matter of microseconds, whatever the size.
  if (kOnDevice || args.m * args.n * args.k < kHoldGil) {
    return kernel(args, queue.stream());
  }
  Unlocked unlocked;
  kernel(args, queue.stream());
}

py::object forward(PyObject* const* args) {
  constexpr const char* op = "matmul";
  const Array a = matrix(op, "a", args[0]);
  const Array b = matrix(op, "b", args[1]);
  require_dtype_like(op, b, a);
  const bool transpose_a = flag(op, "transpose_a", args[2]);
  const bool transpose_b = flag(op, "transpose_b", args[3]);
  const Index m = a.shape[transpose_a ? 1 : 0];
  const Index k = a.shape[transpose_a ? 0 : 1];
  require_axis(op, b, transpose_b ? 1 : 0, k, a);
  const Index n = b.shape[transpose_b ? 0 : 1];
  const Array bias = borrow_optional(op, "bias", args[4]);
  if (args[4] != Py_None) {
    require_dtype_like(op, bias, a);
    require_shape(op, bias, {n});
  }
  const Activation activation = fused_activation_of(op, args[5]);
  const Precision precision = precision_of(op, args[7], a);
  Queue queue(op, a, b, bias);
  const bool given = args[6] != Py_None;
  py::object result = output(op, args[6], a, {m, n});
  const Array out = borrow(op, "out", result);
  queue.add(out);
  if (given) {
    require_disjoint(op, out, a);
    require_disjoint(op, out, b);
    if (args[4] != Py_None) require_disjoint(op, out, bias);
  }
  visit_float(a, [&](auto zero) {
    using T = decltype(zero);
    run<Matmul<T>>(
        {data<const T>(a), data<const T>(b), data<const T>(bias), data<T>(out),
         m, n, k, transpose_a, transpose_b, activation, precision},
        backend::matmul, queue);
  });
  return result;
}

py::object backward(PyObject* const* args) {
  constexpr const char* op = "matmul_backward";
  const Array grad = matrix(op, "grad", args[0]);
  const Array a = matrix(op, "a", args[1]);
  const Array b = matrix(op, "b", args[2]);
  require_dtype_like(op, a, grad);
  require_dtype_like(op, b, grad);
  const Index m = a.shape[0];
  const Index k = a.shape[1];
  const Index n = b.shape[1];
  require_axis(op, b, 0, k, a);
  require_shape(op, grad, {m, n});
  const Array output = borrow_optional(op, "output", args[3]);
  const Activation activation = fused_activation_of(op, args[4]);
  if (activation != Activation::kLinear) {
    if (args[3] == Py_None) {
      raise_value(op,
                  "output must be what matmul returned, since the slope of the "
                  "activation is worked out from it; got None");
    }
    require_dtype_like(op, output, grad);
    require_same_shape(op, output, grad);
  }
  const bool bias = flag(op, "bias", args[5]);
  const bool need_a = flag(op, "need_a", args[6]);
  const Precision precision = precision_of(op, args[7], grad);
  const Queue queue(op, grad, a, b, output);
  py::object grad_a = py::none();
  py::object grad_bias = py::none();
  if (need_a) grad_a = new_array({m, k}, grad.dtype);
  if (bias) grad_bias = new_array({n}, grad.dtype);
  py::object grad_b = new_array({k, n}, grad.dtype);
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    run<MatmulBackward<T>>(
        {data<const T>(grad), data<const T>(a), data<const T>(b),
         data<const T>(output), data<T>(borrow_optional(op, "grad_a", grad_a)),
         data<T>(borrow(op, "grad_b", grad_b)),
         data<T>(borrow_optional(op, "grad_bias", grad_bias)), m, n, k,
         activation, precision},
        backend::matmul_backward, queue);
  });
  return py::make_tuple(grad_a, grad_b, grad_bias);
}

// Exceptions may not pass the interpreter's C frames.
template <py::object (*kFunction)(PyObject* const*)>
PyObject* call(PyObject*, PyObject* const* args, Py_ssize_t count) {
  try {
    if (count != 8) {
      raise_type("matmul",
                 "takes 8 arguments by position; got " + std::to_string(count));
    }
    return kFunction(args).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {  // of CUDA, or of its libraries
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

template <typename F>
PyCFunction c_function(F* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"matmul", c_function(call<forward>), METH_FASTCALL, kForwardDoc},
    {"matmul_backward", c_function(call<backward>), METH_FASTCALL,
     kBackwardDoc}};

}  // namespace

void bind_matmul(py::module_& m) {
  const py::object name = m.attr("__name__");
  for (PyMethodDef& method : methods) {
    m.add_object(method.ml_name,
                 py::reinterpret_steal<py::object>(
                     PyCFunction_NewEx(&method, nullptr, name.ptr())));
  }
}

}  // namespace strop::bind
