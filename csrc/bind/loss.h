#pragma once

#include <string>

#include "math/loss.h"

namespace strop::bind {

// The loss of a name; another name is refused with those that there are.
PointwiseLoss pointwise_loss_of(const char* op, const std::string& name);

}  // namespace strop::bind
