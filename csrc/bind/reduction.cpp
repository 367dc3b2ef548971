#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

void check_extents(const char* op, const Array& x, Index outer, Index extent,
                   Index inner) {
  require_float(op, x);
  if (outer * extent * inner != x.size()) {
    raise_value(op, "x must have outer * extent * inner elements; got shape " +
                        shape_text(x.shape, x.ndim));
  }
}

py::object reduce(const std::string& op, py::handle x_object, Index outer,
                  Index extent, Index inner, const std::string& kind) {
  const Array x = borrow(op.c_str(), "x", x_object);
  check_extents(op.c_str(), x, outer, extent, inner);
  const Reduction which = kind == "max"       ? Reduction::kMax
                          : kind == "squares" ? Reduction::kSumOfSquares
                                              : Reduction::kSum;
  if (which == Reduction::kMax && extent == 0 && outer * inner != 0) {
    raise_value(op.c_str(),
                "x must have an element along the axis; got shape " +
                    shape_text(x.shape, x.ndim));
  }
  py::object result = new_array({outer, inner}, DType::kFloat64);
  const Array out = borrow(op.c_str(), "result", result);
  if (outer * inner == 0) return result;
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const Reduce<T> args{
        data<const T>(x), data<double>(out), outer, extent, inner, which};
    py::gil_scoped_release unlocked;
    backend::reduce(args, Stream{});
  });
  return result;
}

py::object argmax(py::handle x_object, Index outer, Index extent, Index inner) {
  constexpr const char* op = "argmax";
  const Array x = borrow(op, "x", x_object);
  check_extents(op, x, outer, extent, inner);
  if (extent == 0 && outer * inner != 0) {
    raise_value(op, "x must have an element along the axis; got shape " +
                        shape_text(x.shape, x.ndim));
  }
  py::object result = new_array({outer, inner}, DType::kInt64);
  const Array out = borrow(op, "result", result);
  if (outer * inner == 0) return result;
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const ArgMax<T> args{data<const T>(x), data<std::int64_t>(out), outer,
                         extent, inner};
    py::gil_scoped_release unlocked;
    backend::argmax(args, Stream{});
  });
  return result;
}

}  // namespace

void bind_reduction(py::module_& m) {
  m.def("reduce", &reduce,
        "x as (outer, extent, inner), reduced along extent, in float64.",
        py::arg("op"), py::arg("x"), py::arg("outer"), py::arg("extent"),
        py::arg("inner"), py::arg("kind"));
  m.def("argmax", &argmax, "Places of the greatest along extent.", py::arg("x"),
        py::arg("outer"), py::arg("extent"), py::arg("inner"));
}

}  // namespace strop::bind
