#pragma once

#include <cstddef>

namespace strop::cpu {

// Two buffers per thread, kept from call to call so that a kernel allocates
// nothing once it is warm.
enum class Scratch { kPacked, kRows };

// At least `bytes` bytes on a page boundary, until this thread asks for the
// same buffer again; the contents are whatever was left there. Throws
// std::bad_alloc.
void* scratch(Scratch which, std::size_t bytes);

// Gives the buffer back if it has grown beyond what is worth keeping.
void trim_scratch(Scratch which);

}  // namespace strop::cpu
