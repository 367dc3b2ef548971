#pragma once

#include "cpu/matmul_product.h"
#include "cpu/parallel.h"

// The parts of a batch that have sums of their own, and what adds them.

namespace strop::cpu::STROP_ISA {
namespace {

// How many parts, each with sums of its own: enough for threads to share, and 1
// MB of sums unless the kernel is large.
STROP_HD Index parts_for(Index kernel_size) {
  Index parts = 16;
  while (parts > 4 && parts * kernel_size > Index{1} << 18) parts /= 2;
  return parts;
}

template <typename T>
void clear(T* __restrict to, Index size) {
  for (Index i = 0; i < size; ++i) to[i] = 0;
}

// to += the sums of parts 1, 2, ... in order.
template <typename T>
void add_parts(T* to, const T* sums, Index size, Index parts) {
  parallel_for(size, 4096, size * parts / 4, [=](Index begin, Index end) {
    for (Index part = 0; part < parts; ++part) {
      const T* __restrict from = sums + part * size;
      T* __restrict sum = to;
      for (Index i = begin; i < end; ++i) sum[i] += from[i];
    }
  });
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
