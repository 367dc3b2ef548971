#pragma once

#include "kernels/base.h"
#include "kernels/embedding_bag.h"

namespace strop {

// CUDA: the ids of a batch sorted by row and bag, which is all that depends on
// the ids in the gradient by a table. How many rows there are is known on the
// device alone. A key is row << bag_bits | bag; one without a row (padding, a
// bad id) has row V and stands at the end.
struct RowPlan {
  Bags bags;
  Index rows;  // V
  int bag_bits, row_bits;
  bool wide;             // keys of 64 bits, else of 32
  std::int64_t* unique;  // (min(ids, V)): rows that rise, then kNoRow
  void* keys;            // (ids)
  std::int32_t* ranks;   // unique rows that begin before each kRowGroup ids
  std::int32_t* counts;  // (N): ids of a bag that count; null without mean
  unsigned* ticket;      // 0 but while row_gradient runs
};

// Sorted ids that one group of threads adds up, and those that make one partial
// sum: where a sum is cut depends on the order alone.
inline constexpr Index kRowGroup = 8;
inline constexpr Index kRowChunk = 256;

// Sums over the ids of each row of the gradients of their bags.
template <typename T>
struct RowGradient {
  const T* grad;  // (N, D)
  RowPlan plan;
  T* out;       // (min(ids, V), D): rows of plan.unique; or `dense`: (V, D)
  bool dense;   // `out` is set to 0 first
  Index width;  // D
  T* partials;  // (ids / kRowChunk, rounded up, D)
};

namespace cuda {
STROP_DECLARE(row_gradient, RowGradient)
// Fills in bag_bits, row_bits and wide; the bytes that row_plan works in.
std::size_t lay_out(RowPlan&);
void row_plan(const RowPlan&, void* workspace, Stream);
}  // namespace cuda

}  // namespace strop
