#include "bind/array.h"

namespace strop::bind {

void bind_activation(py::module_&) {}

}  // namespace strop::bind
