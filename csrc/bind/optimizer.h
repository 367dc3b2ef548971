#pragma once

#include <string>
#include <vector>

#include "bind/array.h"

// What the bindings of the optimizer steps share: lists of tensors and rows of
// a table, checked whole before the first write.

namespace strop::bind {

// One array per tensor under each name; the first list is the parameter's.
struct TensorLists {
  std::vector<std::vector<Array>> lists;
  std::size_t grad;  // place of the gradients, which alone may be read-only
};

inline void check_lists(const char* op, const TensorLists& t) {
  const std::vector<Array>& params = t.lists[0];
  for (std::size_t k = 0; k < t.lists.size(); ++k) {
    const std::vector<Array>& list = t.lists[k];
    if (list.size() != params.size()) {
      raise_value(op, "every list must have as many arrays as param (" +
                          std::to_string(params.size()) + "); got " +
                          std::to_string(list.size()));
    }
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
      for (std::size_t other = 0; other < k; ++other) {
        require_disjoint(op, a, t.lists[other][i]);
      }
    }
  }
}

// A table (V, ...), state arrays of its shape, and R rows with a gradient.
inline void check_rows(const char* op, const std::vector<Array>& table,
                       const Array& grad, const Array& rows) {
  const Array& param = table[0];
  require_float(op, param);
  if (param.ndim == 0) require_ndim(op, param, 1);
  for (const Array& a : table) {
    if (!a.object) continue;
    require_dtype_like(op, a, param);
    require_same_shape(op, a, param);
    require_writable(op, a);
    require_disjoint(op, a, grad);
  }
  require_dtype_like(op, grad, param);
  require_ids(op, rows);
  require_ndim(op, rows, 1);
  std::vector<Index> shape(param.shape, param.shape + param.ndim);
  shape[0] = rows.size();
  require_shape(op, grad, shape);
  require_ids_in(op, rows, param.shape[0]);
}

inline Index row_width(const Array& table) {
  Index width = 1;
  for (int i = 1; i < table.ndim; ++i) width *= table.shape[i];
  return width;
}

}  // namespace strop::bind
