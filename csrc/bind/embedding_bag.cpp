#include "bind/array.h"

namespace strop::bind {

void bind_embedding_bag(py::module_&) {}

}  // namespace strop::bind
