// Rows of unequal length, as Python has them, into one rectangular array.

#include <algorithm>
#include <cstring>
#include <limits>

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

struct Sides {
  bool pad_front;  // where a short row is filled up
  bool cut_front;  // where a long one is cut
};

// Whole numbers of exactly Python's int that T holds; no other object is
// touched, so that no code of anybody's can run meanwhile.
template <typename T>
bool copy_numbers(PyObject* const* items, Index count, T* out) {
  if constexpr (std::numeric_limits<T>::is_integer) {
    for (Index i = 0; i < count; ++i) {
      if (!PyLong_CheckExact(items[i])) return false;
      int overflow = 0;
      const long long value = PyLong_AsLongLongAndOverflow(items[i], &overflow);
      if (overflow != 0 || value < std::numeric_limits<T>::min() ||
          value > std::numeric_limits<T>::max()) {
        return false;
      }
      out[i] = static_cast<T>(value);
    }
    return true;
  }
  return count == 0;
}

template <typename T>
bool fill_row(PyObject* object, const Array& out, T value, Sides sides,
              Index place) {
  const Index width = out.shape[1];
  Array array{};
  const bool list = PyList_CheckExact(object) || PyTuple_CheckExact(object);
  if (!list && (!read_array(object, array) || array.ndim != 1 ||
                array.dtype != out.dtype || !array.contiguous)) {
    return false;
  }
  const Index length = list ? Py_SIZE(object) : array.shape[0];
  const Index kept = std::min(length, width);
  const Index first = sides.cut_front ? length - kept : 0;
  T* row = data<T>(out) + place * width;
  T* target = sides.pad_front ? row + (width - kept) : row;
  if (list) {
    if (!copy_numbers(PySequence_Fast_ITEMS(object) + first, kept, target)) {
      return false;
    }
  } else if (kept > 0) {
    std::memcpy(target, data<T>(array) + first, kept * sizeof(T));
  }
  std::fill(row, target, value);
  std::fill(target + kept, row + width, value);
  return true;
}

// Fills rows of `out` from `start` on; returns where a row stands that is
// neither ints nor an array like `out`, or how many rows there are.
Index fill_rows(const py::list& rows, py::handle out_object,
                py::handle value_object, bool pad_front, bool cut_front,
                Index start) {
  constexpr const char* op = "fill_rows";
  const Array out = borrow(op, "out", out_object);
  const Array value = borrow(op, "value", value_object);
  require_writable(op, out);
  require_ndim(op, out, 2);
  require_dtype_like(op, value, out);
  require_shape(op, value, {1});
  if (out.shape[0] != static_cast<Index>(rows.size()) || start < 0) {
    raise_value(op, "out must have a row for each of " +
                        std::to_string(rows.size()) + "; got " +
                        std::to_string(out.shape[0]));
  }
  const Sides sides{pad_front, cut_front};
  const auto fill = [&](auto zero) {
    using T = decltype(zero);
    Index i = start;
    while (i < out.shape[0] && fill_row<T>(PyList_GET_ITEM(rows.ptr(), i), out,
                                           *data<const T>(value), sides, i)) {
      ++i;
    }
    return i;
  };
  if (out.dtype == DType::kInt32) return fill(std::int32_t{});
  if (out.dtype == DType::kInt64) return fill(std::int64_t{});
  require_float(op, out);
  return visit_float(out, fill);
}

}  // namespace

void bind_rows(py::module_& m) {
  m.def("fill_rows", &fill_rows, "Pad rows until one is out of the ordinary.",
        py::arg("rows"), py::arg("out"), py::arg("value"), py::arg("pad_front"),
        py::arg("cut_front"), py::arg("start"));
}

}  // namespace strop::bind
