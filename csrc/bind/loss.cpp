#include "bind/array.h"

namespace strop::bind {

void bind_loss(py::module_&) {}

}  // namespace strop::bind
