// Threads and instruction sets, for strop.config; the loops that measure the
// machine, for strop.bench.

#include <cstdint>

#include "bind/array.h"
#include "cpu/isa.h"
#include "cpu/parallel.h"
#include "cpu/peak.h"

namespace strop::bind {
namespace {

void copy_loop(py::handle target_object, py::handle source_object, Index times,
               bool streaming) {
  constexpr const char* op = "copy_loop";
  const Array target = borrow(op, "target", target_object);
  const Array source = borrow(op, "source", source_object);
  require_float(op, target);
  require_dtype_like(op, source, target);
  require_same_shape(op, source, target);
  require_writable(op, target);
  require_disjoint(op, target, source);
  const bool lines = target.bytes() % 64 == 0 &&
                     reinterpret_cast<std::uintptr_t>(target.address) % 16 == 0;
  if (target.dtype != DType::kFloat32 || !lines) {
    raise_value(op,
                "target must be whole lines of float32, aligned to 16 bytes");
  }
  Unlocked unlocked;
  cpu::copy_loop(data<float>(target), data<const float>(source), target.bytes(),
                 times, streaming);
}

}  // namespace

void bind_config(py::module_& m) {
  m.def("num_threads", &cpu::num_threads);
  m.def("set_num_threads", &cpu::set_num_threads, py::arg("count"));
  m.def("threads_name", &cpu::threads_name);
  m.def("active_isa", &cpu::active_isa);
  m.def("set_isa", &cpu::set_isa, py::arg("name"));
  m.def("built_isas", [] {
    int count = 0;
    const cpu::Isa* isas = cpu::built_isas(&count);
    py::dict built;
    for (int i = 0; i < count; ++i) built[isas[i].name] = isas[i].supported;
    return built;
  });
  m.def("multiply_add_loop", &cpu::multiply_add_loop, py::arg("rounds"),
        py::call_guard<Unlocked>());
  m.def("copy_loop", &copy_loop, py::arg("target"), py::arg("source"),
        py::arg("times"), py::arg("streaming"));
  m.attr("compiler") = __VERSION__;
  m.attr("openmp") = cpu::openmp_version();
}

}  // namespace strop::bind
