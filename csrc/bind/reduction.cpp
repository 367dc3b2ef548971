#include "kernels/reduction.h"

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

enum class Kind { kSum, kMean, kMax, kNorm };

struct Name {
  const char* op;
  Kind kind;
};

constexpr Name kSum{"sum", Kind::kSum};
constexpr Name kMean{"mean", Kind::kMean};
constexpr Name kMax{"max", Kind::kMax};
constexpr Name kNorm{"norm", Kind::kNorm};

// Which axes are reduced, of at most 64 (NumPy's own limit).
struct Axes {
  bool reduced[64] = {};
  int count = 0;
};

Axes axes_of(const char* op, const Array& x, py::handle axis) {
  Axes axes;
  const auto add = [&](py::handle item) {
    const Index each = item.cast<Index>();
    if (each < -x.ndim || each >= x.ndim) {
      raise_value(op, "axis must lie in [" + std::to_string(-x.ndim) + ", " +
                          std::to_string(x.ndim) + "); got " +
                          std::to_string(each));
    }
    bool& named = axes.reduced[each < 0 ? each + x.ndim : each];
    if (named) {
      raise_value(op, "axis must name each axis once; got " +
                          std::string(py::str(axis)));
    }
    named = true;
    ++axes.count;
  };
  if (axis.is_none()) {
    for (int i = 0; i < x.ndim; ++i) axes.reduced[i] = true;
    axes.count = x.ndim;
  } else if (py::isinstance<py::sequence>(axis)) {
    for (py::handle item : axis) add(item);
  } else {
    add(axis);
  }
  return axes;
}

// x as (outer, extent, inner).
struct Extents {
  Index outer, extent, inner;
};

// About the axes [first, last) of a shape.
Extents extents_about(const std::vector<Index>& shape, int first, int last) {
  Extents e{1, 1, 1};
  for (int i = 0; i < int(shape.size()); ++i) {
    (i < first ? e.outer : i < last ? e.extent : e.inner) *= shape[i];
  }
  return e;
}

template <typename T>
void reduce_into(const T* x, double* out, const Extents& e, Reduction which,
                 const Queue& queue) {
  Doubles workspace(reduce_workspace(e.outer, e.extent, e.inner));
  const Reduce<T> args{x,       out,   e.outer,         e.extent,
                       e.inner, which, workspace.data()};
  const Release unlocked(e.outer * e.extent * e.inner);
  backend::reduce(args, queue.stream());
}

// x reduced in double, a run of neighbouring axes at a time, the last run
// first. `shape` loses the reduced axes.
template <typename T>
Doubles reduced(const T* x, std::vector<Index>& shape, const Axes& axes,
                Reduction which, const Queue& queue) {
  Doubles values;
  bool begun = false;
  const auto take = [&](const Extents& e) {
    Doubles next(e.outer * e.inner);
    if (e.outer * e.inner > 0) {
      if (begun) {
        reduce_into(values.data(), next.data(), e, which, queue);
      } else {
        reduce_into(x, next.data(), e, which, queue);
      }
    }
    values = std::move(next);
    begun = true;
    if (which == Reduction::kSumOfSquares) which = Reduction::kSum;
  };
  for (int last = int(shape.size()); last > 0;) {
    if (!axes.reduced[last - 1]) {
      --last;
      continue;
    }
    int first = last - 1;
    while (first > 0 && axes.reduced[first - 1]) --first;
    take(extents_about(shape, first, last));
    shape.erase(shape.begin() + first, shape.begin() + last);
    last = first;
  }
  // Without axes each element is reduced by itself.
  if (!begun) take({extents_about(shape, 0, 0).inner, 1, 1});
  return values;
}

// A number where no axis is left.
py::object finished(py::object array, bool scalar) {
  return scalar ? array[py::tuple()] : array;
}

py::object reduce(const Name& name, py::handle x_object, py::handle axis) {
  const char* op = name.op;
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  const Axes axes = axes_of(op, x, axis);
  std::vector<Index> shape(x.shape, x.shape + x.ndim);
  Index extent = 1;
  Index rest = 1;
  for (int i = 0; i < x.ndim; ++i) {
    (axes.reduced[i] ? extent : rest) *= shape[i];
  }
  if (name.kind == Kind::kMax && extent == 0 && rest != 0) {
    raise_value(op, "x must have an element along the axis; got shape " +
                        shape_text(x.shape, x.ndim));
  }
  const Reduction which = name.kind == Kind::kMax    ? Reduction::kMax
                          : name.kind == Kind::kNorm ? Reduction::kSumOfSquares
                                                     : Reduction::kSum;
  const Queue queue(op, x);
  py::object result;
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<const T>(x);
    Doubles values = reduced(from, shape, axes, which, queue);
    result = new_array(shape, x.dtype);
    const Array out = borrow(op, "result", result);
    finish_reduction(
        FinishReduction<T>{values.data(), data<T>(out), out.size(),
                           double(extent),
                           name.kind == Kind::kMean   ? Finish::kDivide
                           : name.kind == Kind::kNorm ? Finish::kRoot
                                                      : Finish::kCopy},
        queue);
  });
  return finished(std::move(result), shape.empty());
}

py::object argmax(py::handle x_object, py::handle axis) {
  constexpr const char* op = "argmax";
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  if (!axis.is_none() && !PyIndex_Check(axis.ptr())) {
    raise_type(op, "axis must be an integer or None; got " +
                       std::string(py::str(axis)));
  }
  const Axes axes = axes_of(op, x, axis);
  std::vector<Index> shape(x.shape, x.shape + x.ndim);
  int first = 0;
  while (first < x.ndim && !axes.reduced[first]) ++first;
  const int last = axes.count == 0 ? first : first + axes.count;
  const Extents e = extents_about(shape, first, last);
  if (e.extent == 0 && e.outer * e.inner != 0) {
    raise_value(op, "x must have an element along the axis; got shape " +
                        shape_text(x.shape, x.ndim));
  }
  shape.erase(shape.begin() + first, shape.begin() + last);
  const Queue queue(op, x);
  py::object result = new_array(shape, DType::kInt64);
  if (e.outer * e.inner != 0) {
    const Array out = borrow(op, "result", result);
    Doubles workspace(argmax_workspace(e.outer, e.extent, e.inner));
    visit_float(x, [&](auto zero) {
      using T = decltype(zero);
      const ArgMax<T> args{data<const T>(x), data<std::int64_t>(out),
                           e.outer,          e.extent,
                           e.inner,          workspace.data()};
      const Release unlocked(x.size());
      backend::argmax(args, queue.stream());
    });
  }
  return finished(std::move(result), shape.empty());
}

template <const Name& kName>
py::object reduce_as(py::handle x, py::handle axis) {
  return reduce(kName, x, axis);
}

}  // namespace

void bind_reduction(py::module_& m) {
  m.def("sum", &reduce_as<kSum>, "The sum along axes, or of all.", py::arg("x"),
        py::arg("axis") = py::none());
  m.def("mean", &reduce_as<kMean>, "The mean along axes, or of all.",
        py::arg("x"), py::arg("axis") = py::none());
  m.def("max", &reduce_as<kMax>, "The greatest along axes, or of all.",
        py::arg("x"), py::arg("axis") = py::none());
  m.def("norm", &reduce_as<kNorm>, "The Euclidean norm along axes, or of all.",
        py::arg("x"), py::arg("axis") = py::none());
  m.def("argmax", &argmax,
        "The place of the greatest along an axis, or of all.", py::arg("x"),
        py::arg("axis") = py::none());
}

}  // namespace strop::bind
