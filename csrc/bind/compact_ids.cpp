#include <algorithm>
#include <memory>

#include "bind/array.h"
#include "bind/backend.h"
#include "kernels/embedding.h"
#include "step/unique_ids.h"

namespace strop::bind {
namespace {

// Memory for compact_ids, kept between calls.
class CompactScratch {
 public:
  explicit CompactScratch(Index num_rows) : ids_(checked(num_rows)) {}

  Index num_rows() const { return ids_.rows(); }

  py::tuple compact(const Array& ids) {
    const Index size = ids.size();
    unique_.resize(std::min(size, num_rows()) + 1);
    py::object slots = new_array(
        std::vector<Index>(ids.shape, ids.shape + ids.ndim), DType::kInt32);
    const Array slots_array = borrow("compact_ids", "slots", slots);
    Index found = 0;
    {
      Unlocked unlocked;
      found = ids_.find(ids_of(ids), unique_.data(),
                        data<std::int32_t>(slots_array));
    }
    py::object rows = new_array({found}, DType::kInt64);
    std::copy_n(unique_.data(), found,
                data<std::int64_t>(borrow("compact_ids", "rows", rows)));
    return py::make_tuple(rows, slots);
  }

 private:
  static Index checked(Index num_rows) {
    if (num_rows >= 0) return num_rows;
    raise_value("CompactScratch",
                "num_rows must be 0 or more; got " + std::to_string(num_rows));
  }

  step::UniqueIds ids_;
  std::vector<std::int64_t> unique_;
};

// This thread's own memory, for callers that bring none. Up to 64 MB of records
// are kept: to ask the system for them and to give them back would take longer
// than the ids of a batch.
std::shared_ptr<CompactScratch> kept_scratch(Index num_rows) {
  constexpr Index kMostKept = Index{8} << 20;
  thread_local std::shared_ptr<CompactScratch> kept;
  if (kept && kept->num_rows() >= num_rows) return kept;
  auto fresh = std::make_shared<CompactScratch>(num_rows);
  if (num_rows <= kMostKept) kept = fresh;
  return fresh;
}

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
  if (scratch == nullptr) return kept_scratch(num_rows)->compact(ids);
  if (scratch->num_rows() != num_rows) {
    raise_value(op, "scratch must be made for num_rows " +
                        std::to_string(num_rows) + "; got one for " +
                        std::to_string(scratch->num_rows()));
  }
  return scratch->compact(ids);
}

}  // namespace

void bind_compact_ids(py::module_& m) {
  py::class_<CompactScratch>(m, "CompactScratch",
                             "Memory that compact_ids keeps between calls.")
      .def(py::init<Index>(), py::arg("num_rows"))
      .def_property_readonly("num_rows", &CompactScratch::num_rows);
  m.def("compact_ids", &compact_ids, "Unique ids and the place of each.",
        py::arg("ids"), py::arg("num_rows"), py::arg("scratch") = nullptr);
}

}  // namespace strop::bind
