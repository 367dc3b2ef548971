// What an optimizer asks about all tensors of a step before the first write, in
// a few nanoseconds for each; where the answer is no, Python looks for the
// fault and says which tensor has it.

#include <algorithm>
#include <utility>
#include <vector>

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

using Span = std::pair<const char*, const char*>;

bool listed(py::handle object) {
  return py::isinstance<py::list>(object) || py::isinstance<py::tuple>(object);
}

void add_span(const Array& a, std::vector<Span>& spans) {
  const auto* begin = static_cast<const char*>(a.address);
  if (a.bytes() > 0) spans.emplace_back(begin, begin + a.bytes());
}

// Spans that are written overlap no other of them: the parameters are checked
// when an optimizer takes them. So the neighbours of a span that is read say
// it.
bool apart(const std::vector<Span>& reads, std::vector<Span>& writes) {
  std::sort(writes.begin(), writes.end());
  return std::none_of(reads.begin(), reads.end(), [&](const Span& read) {
    const auto next = std::upper_bound(writes.begin(), writes.end(), read);
    return (next != writes.end() && next->first < read.second) ||
           (next != writes.begin() && read.first < next[-1].second);
  });
}

// Are these lists or tuples of arrays alike in dtype and shape, the parameters
// writable, and no gradient a part of a parameter?
bool gradients_fit(py::handle grads, py::handle params) {
  if (!listed(grads) || !listed(params)) return false;
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(params.ptr());
  if (PySequence_Fast_GET_SIZE(grads.ptr()) != count) return false;
  std::vector<Span> reads, writes;
  reads.reserve(count);
  writes.reserve(count);
  for (Py_ssize_t i = 0; i < count; ++i) {
    Array g, p;
    if (!read_array(PySequence_Fast_GET_ITEM(grads.ptr(), i), g) ||
        !read_array(PySequence_Fast_GET_ITEM(params.ptr(), i), p)) {
      return false;
    }
    const bool alike = g.dtype == p.dtype && g.dtype != DType::kOther &&
                       g.ndim == p.ndim &&
                       std::equal(g.shape, g.shape + g.ndim, p.shape);
    if (!alike || !g.contiguous || !p.contiguous || !p.writable) return false;
#if STROP_CUDA
    if (g.freed || p.freed || g.device != p.device) return false;
#endif
    add_span(g, reads);
    add_span(p, writes);
  }
  return count > 0 && apart(reads, writes);
}

// Whether no array of the first list has memory in common with one of the
// second, whose arrays are apart from each other.
bool arrays_apart(py::handle reads, py::handle writes) {
  std::vector<Span> spans[2];
  for (const int side : {0, 1}) {
    for (const Array& a : borrow_many("arrays_apart", side ? "writes" : "reads",
                                      side ? writes : reads)) {
      add_span(a, spans[side]);
    }
  }
  return apart(spans[0], spans[1]);
}

}  // namespace

void bind_gradients(py::module_& m) {
  m.def("gradients_fit", &gradients_fit,
        "Whether each gradient is a plain array like its parameter.",
        py::arg("grads"), py::arg("params"));
  m.def("arrays_apart", &arrays_apart,
        "Whether no array of the first list overlaps one of the second.",
        py::arg("reads"), py::arg("writes"));
}

}  // namespace strop::bind
