#pragma once

// The instruction sets of this build and the one in use.

namespace strop::cpu {

struct Isa {
  const char* name;
  bool supported;  // by this processor and operating system
};

// From the one every processor has to the widest.
const Isa* built_isas(int* count);

const char* active_isa();

// False, and no change, if `name` was not built or is not supported here.
bool set_isa(const char* name);

}  // namespace strop::cpu
