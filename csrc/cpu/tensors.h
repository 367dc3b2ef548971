#pragma once

#include "cpu/parallel.h"
#include "kernels.h"

// What the optimizer kernels share: many tensors as one range of work.

namespace strop::cpu {

STROP_HD Index id_of(const Ids& ids, Index i) {
  return ids.wide ? static_cast<const std::int64_t*>(ids.data)[i]
                  : static_cast<const std::int32_t*>(ids.data)[i];
}

// Calls body(tensor, begin, end) so that every element of every tensor is
// covered once. All tensors together are cut into chunks of equal length, so
// that a hundred small ones are shared out like one large one.
template <typename Tensor, typename Body>
static inline __attribute__((always_inline)) void for_each_piece(
    const Tensor* tensors, Index count, Index bytes_per_element,
    const Body& body) {
  constexpr Index kChunk = 1 << 14;
  Index total = 0;
  for (Index k = 0; k < count; ++k) total += tensors[k].size;
  parallel_for(total, kChunk, total * bytes_per_element >= kParallelBytes,
               [=](Index begin, Index end) {
                 Index which = 0;
                 Index start = 0;  // of the tensor, among all elements
                 while (start + tensors[which].size <= begin) {
                   start += tensors[which++].size;
                 }
                 while (begin < end) {
                   const Index stop = start + tensors[which].size;
                   const Index until = stop < end ? stop : end;
                   if (begin < until) body(which, begin - start, until - start);
                   begin = until;
                   if (begin == stop) start += tensors[which++].size;
                 }
               });
}

}  // namespace strop::cpu
