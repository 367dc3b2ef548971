#pragma once

#include "kernels/base.h"

namespace strop {

// out[i] = table[ids[i]].
template <typename T>
struct EmbeddingLookup {
  const T* table;  // (V, D)
  Ids ids;
  T* out;             // (ids.size, D)
  Index rows, width;  // V, D
};

#define STROP_EMBEDDING_KERNELS(X) X(embedding_lookup, EmbeddingLookup)

// Where a row stands in the compact list of a call: the call's stamp in the
// upper half, the complement of the place in the lower. In a call the records
// of known rows are above what the next new row would get, and all others are
// below it, so that one maximum tells what an id's record shall be.
using CompactRecord = std::uint64_t;

// The unique ids in order of first appearance, and for each id its place among
// them. A record whose stamp is not this call's is out of date, so that nothing
// is cleared between calls; stamps rise from 1.
struct CompactIds {
  Ids ids;
  CompactRecord* records;  // (V), 0 before the first call
  std::uint32_t stamp;
  std::int64_t* unique;  // room for min(ids.size, V) + 1
  std::int32_t* slots;   // (ids.size)
};

STROP_DECLARE_KERNELS(STROP_EMBEDDING_KERNELS, STROP_DECLARE)

namespace cpu {
Index compact_ids(const CompactIds&);  // returns the number of unique ids
}

}  // namespace strop
