#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "bind/numbers.h"
#include "math/adam.h"
#include "math/gradient.h"

// What the bindings of the optimizer steps share: lists of tensors and rows of
// a table, checked whole before the first write, and Adam's numbers of a step.

namespace strop::bind {

// One array per tensor under each name; the first list is the parameter's, the
// second that of the gradients, which alone may be read-only.
struct TensorLists {
  static constexpr std::size_t grad = 1;
  std::vector<std::vector<Array>> lists;

  void add(const char* op, const char* name, py::handle object) {
    lists.push_back(borrow_many(op, name, object));
  }
};

// Arrays that are written must not overlap any other. Sorted by address, so
// that a hundred tensors cost no 40,000 comparisons.
inline void require_all_disjoint(const char* op, const TensorLists& t) {
  struct Span {
    const char* begin;
    std::size_t order;  // of the arguments: the later one is at fault
    const Array* array;
  };
  std::vector<Span> written;
  for (std::size_t k = 0; k < t.lists.size(); ++k) {
    if (k == t.grad) continue;
    for (const Array& a : t.lists[k]) {
      if (a.bytes() == 0) continue;
      written.push_back(
          {static_cast<const char*>(a.address), written.size(), &a});
    }
  }
  const auto before = [](const Span& a, const Span& b) {
    return a.begin < b.begin;
  };
  std::sort(written.begin(), written.end(), before);
  for (std::size_t i = 1; i < written.size(); ++i) {
    const bool in_order = written[i - 1].order < written[i].order;
    const Array& early = *written[in_order ? i - 1 : i].array;
    const Array& late = *written[in_order ? i : i - 1].array;
    require_disjoint(op, late, early);
  }
  for (const Array& grad : t.lists[t.grad]) {
    const Span own{static_cast<const char*>(grad.address), 0, &grad};
    const auto next =
        std::upper_bound(written.begin(), written.end(), own, before);
    if (next != written.begin()) require_disjoint(op, grad, *next[-1].array);
    if (next != written.end()) require_disjoint(op, grad, *next->array);
  }
}

inline void require_count(const char* op, const std::vector<Array>& list,
                          std::size_t count) {
  if (list.size() == count) return;
  raise_value(op, "every list must have as many arrays as param (" +
                      std::to_string(count) + "); got " +
                      std::to_string(list.size()));
}

inline void check_lists(const char* op, const TensorLists& t) {
  const std::vector<Array>& params = t.lists[0];
  for (std::size_t k = 0; k < t.lists.size(); ++k) {
    const std::vector<Array>& list = t.lists[k];
    require_count(op, list, params.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Array& a = list[i];
      if (k == 0) {
        require_float(op, a);
        require_dtype_like(op, a, params[0]);
      } else {
        require_dtype_like(op, a, params[i]);
        require_same_shape(op, a, params[i]);
      }
      if (k != t.grad) require_writable(op, a);
    }
  }
  require_all_disjoint(op, t);
}

// The decay of each of `count` tensors, from one number or one per tensor.
inline std::vector<double> decays(const char* op, py::handle weight_decay,
                                  std::size_t count) {
  const auto number = [op](py::handle object) {
    if (!PyFloat_Check(object.ptr()) && !PyNumber_Check(object.ptr())) {
      raise_type(
          op, "weight_decay must be a number or a list of numbers; got " +
                  std::string(
                      py::str(py::type::handle_of(object).attr("__name__"))));
    }
    return double(py::float_(py::reinterpret_borrow<py::object>(object)));
  };
  if (!py::isinstance<py::list>(weight_decay)) {
    return std::vector<double>(count, number(weight_decay));
  }
  std::vector<double> result;
  for (py::handle item : weight_decay) result.push_back(number(item));
  if (result.size() != count) {
    raise_value(op, "weight_decay must have one number per param (" +
                        std::to_string(count) + "); got " +
                        std::to_string(result.size()));
  }
  return result;
}

// What the rule sees of a gradient. The scale may be any number: a clipping
// factor of NaN gradients is NaN.
struct GradientSettings {
  double scale, l2;

  GradientSettings(const char* op, double l2, double grad_scale)
      : scale(grad_scale), l2(l2) {
    if (l2 >= 0) return;
    raise_value(op, "l2 must be 0 or more; got " +
                        std::string(py::str(py::float_(l2))));
  }

  template <typename T>
  Gradient<T> as() const {
    return {T(scale), T(l2)};
  }
};

// A table (V, ...), state arrays of its shape, and R rows with a gradient.
inline void check_rows(const char* op, const std::vector<Array>& table,
                       const Array& grad, const Array& rows) {
  const Array& param = table[0];
  require_float(op, param);
  if (param.ndim == 0) require_ndim(op, param, 1);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Array& a = table[i];
    if (!a.object) continue;
    require_dtype_like(op, a, param);
    require_same_shape(op, a, param);
    require_writable(op, a);
    for (std::size_t j = 0; j < i; ++j) require_disjoint(op, a, table[j]);
    require_disjoint(op, grad, a);
  }
  require_dtype_like(op, grad, param);
  require_ids(op, rows);
  require_ndim(op, rows, 1);
  std::vector<Index> shape(param.shape, param.shape + param.ndim);
  shape[0] = rows.size();
  require_shape(op, grad, shape);
  require_ids_in(op, rows, param.shape[0]);
}

// All arrays of an optimizer step must be on one device.
inline void add_all(Queue& queue, const TensorLists& t) {
  for (const std::vector<Array>& list : t.lists) {
    for (const Array& a : list) queue.add(a);
  }
}

inline void add_all(Queue& queue, const std::vector<Array>& table,
                    const Array& grad, const Array& rows) {
  for (const Array& a : table) queue.add(a);
  queue.add(grad);
  queue.add(rows);
}

inline Index row_width(const Array& table) {
  Index width = 1;
  for (int i = 1; i < table.ndim; ++i) width *= table.shape[i];
  return width;
}

// ---- Adam ------------------------------------------------------------------

inline AdamRule adam_rule(const char* op, double beta1, double beta2,
                          double eps, const std::string& eps_mode,
                          bool bias_correction) {
  if (eps_mode != "hat" && eps_mode != "torch") {
    raise_value(op,
                "eps_mode must be 'hat' or 'torch'; got '" + eps_mode + "'");
  }
  for (const double beta : {beta1, beta2}) {
    if (!(beta >= 0 && beta < 1)) {
      raise_value(op, "beta1 and beta2 must lie in [0, 1); got " +
                          std::string(py::str(py::float_(beta))));
    }
  }
  if (!(eps >= 0)) {
    raise_value(op, "eps must be 0 or more; got " +
                        std::string(py::str(py::float_(eps))));
  }
  return {beta1, beta2, eps, eps_mode == "hat", bias_correction};
}

}  // namespace strop::bind
