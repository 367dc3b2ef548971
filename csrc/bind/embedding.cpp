#include <algorithm>
#include <cstdlib>
#include <memory>

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
  require_ids_in(op, ids, table.shape[0]);
  std::vector<Index> shape(ids.shape, ids.shape + ids.ndim);
  shape.push_back(table.shape[1]);
  py::object result = output(op, out_object, table, shape);
  const Array out = borrow(op, "out", result);
  require_disjoint(op, out, table);
  require_disjoint(op, out, ids);
  visit_float(table, [&](auto zero) {
    using T = decltype(zero);
    const EmbeddingLookup<T> args{data<const T>(table), ids_of(ids),
                                  data<T>(out), table.shape[0], table.shape[1]};
    Unlocked unlocked;
    backend::embedding_lookup(args, Stream{});
  });
  return result;
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// One record per table row, kept between calls. calloc leaves the pages
// untouched until a row is used.
class CompactScratch {
 public:
  explicit CompactScratch(Index num_rows) : num_rows_(num_rows) {
    constexpr const char* op = "CompactScratch";
    if (num_rows < 0) {
      raise_value(
          op, "num_rows must be 0 or more; got " + std::to_string(num_rows));
    }
    records_.reset(static_cast<CompactRecord*>(
        std::calloc(num_rows + 1, sizeof(CompactRecord))));
    if (!records_) throw std::bad_alloc();
  }

  Index num_rows() const { return num_rows_; }

  py::tuple compact(const Array& ids) {
    if (++stamp_ == 0) {  // all records are older than the new count
      std::fill_n(records_.get(), num_rows_, CompactRecord{0});
      stamp_ = 1;
    }
    const Index size = ids.size();
    unique_.resize(std::min(size, num_rows_) + 1);
    py::object slots = new_array(
        std::vector<Index>(ids.shape, ids.shape + ids.ndim), DType::kInt32);
    const Array slots_array = borrow("compact_ids", "slots", slots);
    const CompactIds args{ids_of(ids), records_.get(), stamp_, unique_.data(),
                          data<std::int32_t>(slots_array)};
    Index found = 0;
    {
      Unlocked unlocked;
      found = backend::compact_ids(args);
    }
    py::object rows = new_array({found}, DType::kInt64);
    std::copy_n(unique_.data(), found,
                data<std::int64_t>(borrow("compact_ids", "rows", rows)));
    return py::make_tuple(rows, slots);
  }

 private:
  Index num_rows_;
  std::unique_ptr<CompactRecord, Free> records_;
  std::vector<std::int64_t> unique_;
  std::uint32_t stamp_ = 0;
};

py::tuple compact_ids(py::handle ids_object, Index num_rows,
                      CompactScratch* scratch) {
  constexpr const char* op = "compact_ids";
  const Array ids = borrow(op, "ids", ids_object);
  require_ids(op, ids);
  if (num_rows < 0) {
    raise_value(op,
                "num_rows must be 0 or more; got " + std::to_string(num_rows));
  }
  require_ids_in(op, ids, num_rows);
  if (scratch == nullptr) return CompactScratch(num_rows).compact(ids);
  if (scratch->num_rows() != num_rows) {
    raise_value(op, "scratch must be made for num_rows " +
                        std::to_string(num_rows) + "; got one for " +
                        std::to_string(scratch->num_rows()));
  }
  return scratch->compact(ids);
}

}  // namespace

void bind_embedding(py::module_& m) {
  m.def("embedding_lookup", &embedding_lookup, "Rows of a table by id.",
        py::arg("table"), py::arg("ids"), py::arg("out") = py::none());
  py::class_<CompactScratch>(m, "CompactScratch",
                             "Memory that compact_ids keeps between calls.")
      .def(py::init<Index>(), py::arg("num_rows"))
      .def_property_readonly("num_rows", &CompactScratch::num_rows);
  m.def("compact_ids", &compact_ids, "Unique ids and the place of each.",
        py::arg("ids"), py::arg("num_rows"), py::arg("scratch") = nullptr);
}

}  // namespace strop::bind
