#include "kernels/embedding.h"

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

py::object embedding_lookup(py::handle table_object, py::handle ids_object,
                            py::handle out_object) {
  constexpr const char* op = "embedding_lookup";
  const Array table = borrow(op, "table", table_object);
  const Array ids = borrow(op, "ids", ids_object);
  require_float(op, table);
  require_ndim(op, table, 2);
  require_ids(op, ids);
  Queue queue(op, table, ids);
  require_ids_in(op, ids, table.shape[0]);
  std::vector<Index> shape(ids.shape, ids.shape + ids.ndim);
  shape.push_back(table.shape[1]);
  py::object result = output(op, out_object, table, shape);
  const Array out = borrow(op, "out", result);
  queue.add(out);
  require_disjoint(op, out, table);
  require_disjoint(op, out, ids);
  visit_float(table, [&](auto zero) {
    using T = decltype(zero);
    const EmbeddingLookup<T> args{data<const T>(table), ids_of(ids),
                                  data<T>(out), table.shape[0], table.shape[1]};
    Unlocked unlocked;
    backend::embedding_lookup(args, queue.stream());
  });
  return result;
}

}  // namespace

void bind_embedding(py::module_& m) {
  m.def("embedding_lookup", &embedding_lookup, "Rows of a table by id.",
        py::arg("table"), py::arg("ids"), py::arg("out") = py::none());
}

}  // namespace strop::bind
