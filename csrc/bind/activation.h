#pragma once

#include <string>

#include "kernels/base.h"
#include "math/activation.h"

namespace strop::bind {

// The activation of a name that ops.activation knows; ValueError that lists
// them all.
Activation which_of(const char* op, const std::string& name);

}  // namespace strop::bind
