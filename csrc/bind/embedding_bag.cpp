#include "bind/bags.h"
#if STROP_CUDA
#include "bind/row_plan.h"
#include "kernels/embedding_bag.h"
#include "kernels/row_plan.h"
#endif

namespace strop::bind {
namespace {

// Offsets that the host can read rise from 0 to the number of ids. On a GPU
// that is looked at under STROP_CHECK=1; kernels keep to the ids in any case.
void require_rising(const char* op, const Ids& offsets, Index length) {
  if (kOnDevice && !checks_ids() && offsets.size > 0) return;
  Index before = 0;
  bool good = offsets.size > 0;
  for (Index i = 0; good && i < offsets.size; ++i) {
    const Index now = id_at(offsets, i);
    good = i == 0 ? now == 0 : now >= before;
    before = now;
  }
  if (!good || before != length) {
    raise_value(op, "offsets must rise from 0 to the number of ids (" +
                        std::to_string(length) + ")");
  }
}

void read_offsets(const char* op, const Array& ids, py::handle object,
                  OwnedBags& owned, Queue& queue) {
  const Array a = borrow(op, "offsets", object);
  require_ids(op, a);
  require_ndim(op, a, 1);
  require_ndim(op, ids, 1);
  queue.add(a);
  const Ids values = ids_of(a);
  require_rising(op, values, ids.size());
  owned.bags.count = values.size - 1;
#if STROP_CUDA
  if (values.wide) {
    owned.bags.offsets = data<const std::int64_t>(a);
  } else {
    owned.bags.narrow_offsets = data<const std::int32_t>(a);
  }
#else
  for (Index i = 0; i < values.size; ++i) {
    owned.offsets.push_back(id_at(values, i));
  }
  owned.bags.offsets = owned.offsets.data();
#endif
}

}  // namespace

OwnedBags read_bags(const char* op, const Array& ids, py::handle offsets,
                    const std::string& mode, py::handle pad_id, Index rows,
                    Queue& queue) {
  require_ids(op, ids);
  if (mode != "mean" && mode != "sum") {
    raise_value(op, "mode must be 'mean' or 'sum'; got '" + mode + "'");
  }
  OwnedBags owned;
  Bags& bags = owned.bags;
  bags.ids = ids_of(ids);
  bags.mean = mode == "mean";
  bags.has_pad = !pad_id.is_none();
  bags.pad = bags.has_pad ? pad_id.cast<Index>() : 0;
  if (offsets.is_none()) {
    require_ndim(op, ids, 2);
    bags.count = ids.shape[0];
    bags.width = ids.shape[1];
  } else {
    read_offsets(op, ids, offsets, owned, queue);
  }
  require_ids_in(op, ids, rows);
  return owned;
}

namespace {

py::object embedding_bag(py::handle table_object, py::handle ids_object,
                         py::handle offsets, const std::string& mode,
                         py::handle pad_id, py::handle out_object) {
  constexpr const char* op = "embedding_bag";
  const Array table = borrow(op, "table", table_object);
  const Array ids = borrow(op, "ids", ids_object);
  require_float(op, table);
  require_ndim(op, table, 2);
  const Index rows = table.shape[0];
  const Index width = table.shape[1];
  Queue queue(op, table, ids);
  const OwnedBags owned =
      read_bags(op, ids, offsets, mode, pad_id, rows, queue);
  py::object result = output(op, out_object, table, {owned.bags.count, width});
  const Array out = borrow(op, "out", result);
  queue.add(out);
  require_disjoint(op, out, table);
  require_disjoint(op, out, ids);
  visit_float(table, [&](auto zero) {
    using T = decltype(zero);
    const EmbeddingBag<T> args{data<const T>(table), owned.bags, data<T>(out),
                               rows, width};
    Unlocked unlocked;
    backend::embedding_bag(args, queue.stream());
  });
  return result;
}

py::object embedding_bag_scatter(py::handle grad_object, py::handle ids_object,
                                 Index num_rows, py::handle offsets,
                                 const std::string& mode, py::handle pad_id,
                                 py::handle out_object) {
  constexpr const char* op = "embedding_bag_scatter";
  const Array grad = borrow(op, "grad", grad_object);
  const Array ids = borrow(op, "ids", ids_object);
  require_float(op, grad);
  require_ndim(op, grad, 2);
  Queue queue(op, grad, ids);
  const OwnedBags owned =
      read_bags(op, ids, offsets, mode, pad_id, num_rows, queue);
  const Index width = grad.shape[1];
  require_shape(op, grad, {owned.bags.count, width});
  py::object result = output(op, out_object, grad, {num_rows, width});
  const Array out = borrow(op, "out", result);
  require_disjoint(op, out, grad);
  require_disjoint(op, out, ids);
  queue.add(out);
#if STROP_CUDA
  OwnedPlan(op, owned.bags, num_rows, queue).sum(op, grad, out, true, queue);
#else
  visit_float(grad, [&](auto zero) {
    using T = decltype(zero);
    const EmbeddingBagScatter<T> args{data<const T>(grad), owned.bags,
                                      data<T>(out), num_rows, width};
    Unlocked unlocked;
    backend::embedding_bag_scatter(args, queue.stream());
  });
#endif
  return result;
}

}  // namespace

void bind_embedding_bag(py::module_& m) {
  m.def("embedding_bag", &embedding_bag, "Means or sums of table rows.",
        py::arg("table"), py::arg("ids"), py::arg("offsets") = py::none(),
        py::arg("mode") = "mean", py::arg("pad_id") = py::none(),
        py::arg("out") = py::none());
  m.def("embedding_bag_scatter", &embedding_bag_scatter,
        "The gradient by the table of embedding_bag, dense.", py::arg("grad"),
        py::arg("ids"), py::arg("num_rows"), py::arg("offsets") = py::none(),
        py::arg("mode") = "mean", py::arg("pad_id") = py::none(),
        py::arg("out") = py::none());
}

}  // namespace strop::bind
