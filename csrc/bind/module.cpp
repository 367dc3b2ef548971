#include <pybind11/pybind11.h>

#include "bind/backend.h"
#include "bound.h"  // STROP_BOUND(X): what CMakeLists.txt puts in this module

namespace strop::bind {

void bind_config(py::module_&);
#define STROP_DECLARE_BIND(stem) void bind_##stem(py::module_&);
STROP_BOUND(STROP_DECLARE_BIND)

PYBIND11_MODULE(STROP_MODULE, m) {
  bind_config(m);
#define STROP_BIND(stem) bind_##stem(m);
  STROP_BOUND(STROP_BIND)
}

}  // namespace strop::bind
