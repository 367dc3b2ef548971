#include "bind/array.h"

namespace strop::bind {

void bind_embedding(py::module_&) {}

}  // namespace strop::bind
