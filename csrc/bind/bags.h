#pragma once

#include "bind/array.h"
#include "bind/backend.h"
#include "kernels/embedding_bag.h"

namespace strop::bind {

// Bags of a call. On the CPU they have their own copy of the offsets, in int64.
struct OwnedBags {
  Bags bags{};
  std::vector<std::int64_t> offsets;
};

OwnedBags read_bags(const char* op, const Array& ids, py::handle offsets,
                    const std::string& mode, py::handle pad_id, Index rows,
                    Queue& queue);

}  // namespace strop::bind
