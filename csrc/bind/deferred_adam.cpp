#include "bind/array.h"

namespace strop::bind {

void bind_deferred_adam(py::module_&) {}

}  // namespace strop::bind
