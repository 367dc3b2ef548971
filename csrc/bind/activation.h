#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "kernels/base.h"
#include "math/activation.h"

namespace strop::bind {

// The activation of a name that ops.activation knows; ValueError that lists
// them all.
Activation which_of(const char* op, const std::string& name);

// One that the epilogue of a product knows, by name or None; TypeError or
// ValueError otherwise.
Activation fused_activation_of(const char* op, pybind11::handle object);

}  // namespace strop::bind
