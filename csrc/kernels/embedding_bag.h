#pragma once

#include "kernels/base.h"

namespace strop {

// The ids of N bags: `width` each, or from offsets[i] to offsets[i + 1].
struct Bags {
  Ids ids;
  const std::int64_t* offsets;  // (N + 1), or null
  Index width;
  Index count;  // N
  bool mean;    // else the sum
  bool has_pad;
  Index pad;                                     // neither read nor counted
  const std::int32_t* narrow_offsets = nullptr;  // CUDA: in place of offsets
};

// out[i] = mean or sum of the rows of bag i, in four sums by place modulo 4;
// runs of one id at the ends of a bag enter as count * row. An empty bag is 0.
template <typename T>
struct EmbeddingBag {
  const T* table;  // (V, D)
  Bags bags;
  T* out;             // (N, D)
  Index rows, width;  // V, D
};

// The gradient by the table of the same: every id of bag i adds grad[i], or its
// share of the mean, to its row, in the order of the ids. `out` is set to 0
// first. CUDA has it as row_gradient.
template <typename T>
struct EmbeddingBagScatter {
  const T* grad;  // (N, D)
  Bags bags;
  T* out;             // (V, D)
  Index rows, width;  // V, D
};

#define STROP_EMBEDDING_BAG_KERNELS(X) \
  X(embedding_bag, EmbeddingBag)       \
  X(embedding_bag_scatter, EmbeddingBagScatter)

STROP_DECLARE_KERNELS(STROP_EMBEDDING_BAG_KERNELS, STROP_DECLARE)

}  // namespace strop
