#include "bind/array.h"

namespace strop::bind {

void bind_reduction(py::module_&) {}

}  // namespace strop::bind
