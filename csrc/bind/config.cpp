// Threads and instruction sets, for strop.config.

#include "bind/array.h"
#include "cpu/isa.h"
#include "cpu/parallel.h"

namespace strop::bind {

void bind_config(py::module_& m) {
  m.def("num_threads", &cpu::num_threads);
  m.def("default_num_threads", &cpu::default_num_threads);
  m.def("set_num_threads", &cpu::set_num_threads, py::arg("count"));
  m.def("active_isa", &cpu::active_isa);
  m.def("set_isa", &cpu::set_isa, py::arg("name"));
  m.def("built_isas", [] {
    int count = 0;
    const cpu::Isa* isas = cpu::built_isas(&count);
    py::dict built;
    for (int i = 0; i < count; ++i) built[isas[i].name] = isas[i].supported;
    return built;
  });
  m.attr("compiler") = __VERSION__;
  m.attr("openmp") = cpu::openmp_version();
}

}  // namespace strop::bind
