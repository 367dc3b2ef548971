#include "bind/array.h"

namespace strop::bind {

void bind_matmul(py::module_&) {}

}  // namespace strop::bind
