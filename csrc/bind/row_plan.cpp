#include "bind/row_plan.h"

#include <algorithm>

#include "kernels/embedding_bag.h"
#include "kernels/row_plan.h"

namespace strop::bind {
namespace {

template <typename T>
T* new_data(const char* op, py::object& array, Index size, DType dtype) {
  array = new_array({size}, dtype);
  return data<T>(borrow(op, "plan", array));
}

OwnedPlan row_plan(py::handle ids_object, Index num_rows, py::handle offsets,
                   const std::string& mode, py::handle pad_id) {
  constexpr const char* op = "row_plan";
  const Array ids = borrow(op, "ids", ids_object);
  require_ids(op, ids);
  if (num_rows < 0) {
    raise_value(op,
                "num_rows must be 0 or more; got " + std::to_string(num_rows));
  }
  Queue queue(op, ids);
  const OwnedBags owned =
      read_bags(op, ids, offsets, mode, pad_id, num_rows, queue);
  return OwnedPlan(op, owned.bags, num_rows, queue);
}

py::object row_gradient(py::handle grad_object, const OwnedPlan& plan,
                        py::handle out_object) {
  constexpr const char* op = "row_gradient";
  const Array grad = borrow(op, "grad", grad_object);
  require_float(op, grad);
  require_ndim(op, grad, 2);
  const Index width = grad.shape[1];
  require_shape(op, grad, {plan.bags(), width});
  Queue queue(op, grad, plan.any_array());
  py::object result = output(op, out_object, grad, {plan.unique(), width});
  const Array out = borrow(op, "out", result);
  queue.add(out);
  require_disjoint(op, out, grad);
  plan.sum(op, grad, out, false, queue);
  return result;
}

}  // namespace

OwnedPlan::OwnedPlan(const char* op, const Bags& bags, Index num_rows,
                     const Queue& queue) {
  plan_ = RowPlan{};
  plan_.bags = bags;
  plan_.rows = num_rows;
  const Index size = bags.ids.size;
  if (size > INT32_MAX) {
    raise_value(op, "ids must be fewer than 2^31; got " + std::to_string(size));
  }
  const std::size_t bytes = cuda::lay_out(plan_);
  rows_ = new_array({std::min(size, num_rows)}, DType::kInt64);
  array_ = borrow(op, "plan", rows_);
  plan_.unique = data<std::int64_t>(array_);
  plan_.keys = new_data<void>(op, keys_, size,
                              plan_.wide ? DType::kInt64 : DType::kInt32);
  const Index groups = (size + kRowGroup - 1) / kRowGroup;
  plan_.ranks = new_data<std::int32_t>(op, ranks_, groups + 1, DType::kInt32);
  plan_.ticket = reinterpret_cast<unsigned*>(plan_.ranks + groups);
  if (bags.mean) {
    plan_.counts =
        new_data<std::int32_t>(op, counts_, bags.count, DType::kInt32);
  }
  void* workspace = nullptr;
  const py::object kept = new_bytes(bytes, workspace);
  Unlocked unlocked;
  cuda::row_plan(plan_, workspace, queue.stream());
}

void OwnedPlan::sum(const char* op, const Array& grad, const Array& out,
                    bool dense, const Queue& queue) const {
  const Index width = grad.shape[1];
  const Index chunks = (plan_.bags.ids.size + kRowChunk - 1) / kRowChunk;
  const py::object partials = new_array({chunks, width}, grad.dtype);
  const Array room = borrow(op, "plan", partials);
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    const RowGradient<T> args{
        data<const T>(grad), plan_, data<T>(out), dense, width, data<T>(room)};
    Unlocked unlocked;
    cuda::row_gradient(args, queue.stream());
  });
}

void bind_row_plan(py::module_& m) {
  py::class_<OwnedPlan>(m, "RowPlan", py::module_local(),
                        "The ids of a batch sorted by row.")
      .def_property_readonly("rows", &OwnedPlan::rows)
      .def_property_readonly("num_rows", &OwnedPlan::num_rows);
  m.def("row_plan", &row_plan, "The ids of a batch sorted by row.",
        py::arg("ids"), py::arg("num_rows"), py::arg("offsets") = py::none(),
        py::arg("mode") = "mean", py::arg("pad_id") = py::none());
  m.def("row_gradient", &row_gradient, "Sums of a gradient per row of a plan.",
        py::arg("grad"), py::arg("plan"), py::arg("out") = py::none());
}

}  // namespace strop::bind
