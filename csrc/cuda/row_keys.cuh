#pragma once

#include "cuda/common.cuh"
#include "kernels/embedding_bag.h"
#include "kernels/row_plan.h"

// Bags and keys of a row plan, as kernels see them.

namespace strop::cuda {

__device__ __forceinline__ Index offset_at(const Bags& bags, Index i) {
  return bags.narrow_offsets != nullptr ? Index{bags.narrow_offsets[i]}
                                        : Index{bags.offsets[i]};
}

__device__ __forceinline__ bool has_offsets(const Bags& bags) {
  return bags.offsets != nullptr || bags.narrow_offsets != nullptr;
}

// Ids [begin, end) of a bag. Offsets come from the user and nobody has looked
// at them: whatever they are, what comes out lies among the ids.
struct BagBounds {
  Index begin, end;
};

__device__ __forceinline__ BagBounds bounds_of(const Bags& bags, Index bag) {
  if (!has_offsets(bags)) return {bag * bags.width, (bag + 1) * bags.width};
  const Index size = bags.ids.size;
  const Index begin = min(max(offset_at(bags, bag), Index{0}), size);
  return {begin, min(max(offset_at(bags, bag + 1), begin), size)};
}

// The bag of id i.
__device__ __forceinline__ Index bag_of(const Bags& bags, Index i) {
  if (!has_offsets(bags)) return place_of(i, bags.width).row;
  Index low = 0, high = bags.count;
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    if (i < offset_at(bags, middle)) {
      high = middle;
    } else {
      low = middle;
    }
  }
  return low;
}

// Id i where it is read and counted, else -1. A bad one is reported, but for
// kNoRow where that is named as padding.
__device__ __forceinline__ Index counted_id(const Bags& bags, Index i,
                                            Index rows, std::uint64_t* fault) {
  const Index id = id_of(bags.ids, i);
  const bool pad = bags.has_pad && id == bags.pad;
  if (id >= 0 && id < rows) return pad ? -1 : id;
  if (!pad || id != kNoRow) report(fault, i);
  return -1;
}

// How many ids of a bag count, for all lanes of the warp that asks.
__device__ __forceinline__ int count_of(const Bags& bags, Index bag,
                                        Index rows) {
  const BagBounds bounds = bounds_of(bags, bag);
  int count = 0;
  for (Index i = bounds.begin + threadIdx.x % kWarp; i < bounds.end;
       i += kWarp) {
    count += counted_id(bags, i, rows, nullptr) >= 0;
  }
  return over_warp(count, Plus{});
}

// A list of keys. Which width they have is the same for the whole grid.
struct Keys {
  const void* data;
  Index size;
  int bag_bits;
  Index rows;  // V
  bool wide;

  __device__ __forceinline__ std::uint64_t at(Index i) const {
    return wide ? static_cast<const std::uint64_t*>(data)[i]
                : std::uint64_t{static_cast<const std::uint32_t*>(data)[i]};
  }
  // V, which is none, past the end.
  __device__ __forceinline__ Index row(Index i) const {
    return i < size ? Index(at(i) >> bag_bits) : rows;
  }
  // Whether row(i), which is one of the table, begins at i.
  __device__ __forceinline__ bool begins(Index i, Index row_there) const {
    return row_there < rows && (i == 0 || row(i - 1) != row_there);
  }
};

inline Keys keys_of(const RowPlan& p) {
  return {p.keys, p.bags.ids.size, p.bag_bits, p.rows, p.wide};
}

inline Index unique_size(const RowPlan& p) {
  return p.bags.ids.size < p.rows ? p.bags.ids.size : p.rows;
}

// row_plan_small.cu: without a sort, in one launch.
bool plan_is_small(const RowPlan& p);
void row_plan_at_once(const RowPlan& p, Stream stream);

// row_sort.cu: keys by the bits from `first` to `last`, equal ones in the order
// in which they came. Null `workspace`: only `bytes` is set.
void sort_keys(const void* in, void* out, Index size, bool wide, int first,
               int last, void* workspace, std::size_t& bytes, Stream stream);

}  // namespace strop::cuda
