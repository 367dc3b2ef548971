#include "bind/array.h"

namespace strop::bind {

void bind_sgd(py::module_&) {}

}  // namespace strop::bind
