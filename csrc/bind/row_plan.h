#pragma once

#include "bind/bags.h"
#include "kernels/embedding_bag.h"
#include "kernels/row_plan.h"

// Row plans are CUDA's alone: the CPU has compact_ids.

namespace strop::bind {

// A plan with the arrays that it consists of.
class OwnedPlan {
 public:
  OwnedPlan(const char* op, const Bags& bags, Index num_rows,
            const Queue& queue);

  // Sums of `grad` per row: of (min(ids, V), D), or `dense` (V, D).
  void sum(const char* op, const Array& grad, const Array& out, bool dense,
           const Queue& queue) const;

  py::object rows() const { return rows_; }
  const Array& any_array() const { return array_; }  // to tell the device by
  Index bags() const { return plan_.bags.count; }
  Index unique() const { return array_.shape[0]; }
  Index num_rows() const { return plan_.rows; }

 private:
  RowPlan plan_;
  py::object rows_, keys_, ranks_, counts_;
  Array array_;
};

}  // namespace strop::bind
