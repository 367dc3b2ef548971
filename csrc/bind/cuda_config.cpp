// What strop._cuda was built for and what it finds, for strop.config.

#include <algorithm>

#include "bind/backend.h"
#include "cuda/device.h"

namespace strop::bind {

namespace {

// Arrays of equal shape and type, one behind the other.
void collect(const py::list& given, py::handle out_object) {
  constexpr const char* op = "collect";
  const std::vector<Array> parts = borrow_many(op, "parts", given);
  const Array out = borrow(op, "out", out_object);
  require_writable(op, out);
  Queue queue(op, out);
  cuda::Collected args{};
  for (const Array& part : parts) {
    queue.add(part);
    require_same_shape(op, part, parts.front());
    require_disjoint(op, out, part);
    if (part.dtype != out.dtype || part.bytes() % 4 != 0) {
      raise_type(op, label(part) + " must be " + describe(out) +
                         " in words of 4 bytes; got a " + describe(part));
    }
  }
  const Index count = Index(parts.size());
  if (count == 0 || count * parts.front().bytes() != out.bytes()) {
    raise_value(op, "out must have the size of all parts; got a " +
                        describe(out) + " for " + std::to_string(count));
  }
  args.words = parts.front().bytes() / 4;
  for (Index begin = 0; begin < count; begin += cuda::kCollected) {
    args.count = int(std::min<Index>(cuda::kCollected, count - begin));
    for (int i = 0; i < args.count; ++i) {
      args.parts[i] = data<const std::uint32_t>(parts[begin + i]);
    }
    args.out = data<std::uint32_t>(out) + begin * args.words;
    cuda::collect(op, args, queue.stream());
  }
}

}  // namespace

void bind_config(py::module_& m) {
  m.attr("architectures") = STROP_ARCHITECTURES;
  m.def(
      "driver",
      [] {
        const cuda::Driver d = cuda::driver();
        py::dict about;
        about["runtime"] = d.runtime;
        about["driver"] = d.driver;
        about["devices"] = d.devices;
        about["current"] = d.current;
        about["reason"] = d.reason;
        return about;
      },
      "The CUDA runtime of this build, the driver and the devices; why not.");
  m.def("bind_cublaslt", &cuda::bind_cublaslt, py::arg("path"),
        "Use the cuBLASLt of this file for large products; '' for none.");
  m.def("cublaslt_path", &cuda::cublaslt_path,
        "The file of the cuBLASLt in use, or ''.");
  m.def(
      "first_bad_id",
      [](py::handle object, Index rows) {
        constexpr const char* op = "first_bad_id";
        const Array ids = borrow(op, "ids", object);
        require_ids(op, ids);
        const Queue queue(op, ids);
        const Stream stream = queue.stream();
        if (ids.size() == 0) return Index{-1};
        Unlocked unlocked;
        return cuda::first_bad_id(op, ids_of(ids), rows, stream.fault + 1,
                                  stream);
      },
      "The place of the first id outside [0, rows), or -1; waits.",
      py::arg("ids"), py::arg("rows"));
  m.def("collect", &collect, "Copies equal arrays to `out`, end to end.",
        py::arg("parts"), py::arg("out"));
  m.def("take_bad_id", &take_bad_id,
        "The place of the first bad id since the last call, or -1; waits.");
}

}  // namespace strop::bind
