#include "bind/array.h"

namespace strop::bind {

void bind_softmax(py::module_&) {}

}  // namespace strop::bind
