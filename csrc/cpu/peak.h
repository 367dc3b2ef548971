#pragma once

#include "kernels/base.h"

// What the machine can do at most, for benchmarks to compare with.

namespace strop::cpu {

// Independent float32 multiply-adds on registers, with the instruction set in
// use; returns how many operations that were.
Index multiply_add_loop(Index rounds);

// Copies `bytes`, a multiple of 64, from source to target, `times` over:
// through the caches, or past them with streaming stores, which spare the
// reading of each line before it is written.
void copy_loop(float* target, const float* source, Index bytes, Index times,
               bool streaming);

}  // namespace strop::cpu
