// Row plans: the ids of a batch sorted by row and bag, and the rows among them.
// The radix sort takes most: 28 bytes per id with rows of 17 bits. What follows
// reads the keys twice: each block counts the rows that begin in its share,
// then adds up the counts of the blocks before it and writes its rows behind
// theirs.

#include "cuda/row_keys.cuh"
#include "kernels/embedding_bag.h"
#include "kernels/row_plan.h"

namespace strop::cuda {
namespace {

constexpr Index kOwn = 2 * kRowGroup;    // keys of a thread
constexpr Index kShare = kBlock * kOwn;  // of a block

template <typename Key>
__global__ void __launch_bounds__(kBlock)
    make_keys(Bags bags, Index rows, int bag_bits, Key* keys,
              std::uint64_t* fault) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= bags.ids.size) return;
  const Index id = counted_id(bags, i, rows, fault);
  const Key row = Key(id < 0 ? rows : id);
  keys[i] = Key(row << bag_bits) | Key(bag_of(bags, i));
}

// A warp per bag: its count and, as the bags have one length, its keys.
template <typename Key>
__global__ void __launch_bounds__(kBlock)
    count_and_make_keys(Bags bags, Index rows, int bag_bits, Key* keys,
                        std::int32_t* counts, std::uint64_t* fault) {
  const Index bag = Index{blockIdx.x} * (kBlock / kWarp) + threadIdx.x / kWarp;
  if (bag >= bags.count) return;
  const BagBounds bounds = bounds_of(bags, bag);
  int count = 0;
#pragma unroll 4
  for (Index i = bounds.begin + threadIdx.x % kWarp; i < bounds.end;
       i += kWarp) {
    const Index id = counted_id(bags, i, rows, fault);
    count += id >= 0;
    keys[i] = Key(Key(id < 0 ? rows : id) << bag_bits) | Key(bag);
  }
  count = over_warp(count, Plus{});
  if (threadIdx.x % kWarp == 0) counts[bag] = count;
}

// Of bags with offsets, or with few ids each.
__global__ void __launch_bounds__(kBlock)
    count_ids(Bags bags, Index rows, std::int32_t* counts) {
  const Index bag = Index{blockIdx.x} * (kBlock / kWarp) + threadIdx.x / kWarp;
  if (bag >= bags.count) return;
  const int count = count_of(bags, bag, rows);
  if (threadIdx.x % kWarp == 0) counts[bag] = count;
}

// How many rows begin in a thread's share, and in its first half.
struct Begun {
  int half, all;
};

template <typename F>
__device__ __forceinline__ Begun begun(const Keys& keys, const F& body) {
  const Index first = Index{blockIdx.x} * kShare + threadIdx.x * kOwn;
  Index before = first == 0 ? -1 : keys.row(first - 1);
  Begun n{};
#pragma unroll
  for (Index k = 0; k < kOwn; ++k) {
    const Index row = keys.row(first + k);
    if (row < keys.rows && row != before) {
      body(n.all, row);
      ++n.all;
    }
    before = row;
    if (k == kRowGroup - 1) n.half = n.all;
  }
  return n;
}

__global__ void __launch_bounds__(kBlock)
    count_rows(const __grid_constant__ Keys keys, int* counts) {
  STROP_SHARED(int, room, kBlock / kWarp);
  const int n = over_block(begun(keys, [](int, Index) {}).all, room, Plus{});
  if (threadIdx.x == 0) counts[blockIdx.x] = n;
}

// The sum over the threads of the block with a lower number.
__device__ __forceinline__ int sum_before(int x, int* room) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  int sum = x;
#pragma unroll
  for (unsigned step = 1; step < kWarp; step *= 2) {
    const int other = __shfl_up_sync(kAll, sum, step);
    if (lane >= step) sum += other;
  }
  if (lane == kWarp - 1) room[warp] = sum;
  __syncthreads();
  int before = sum - x;
  for (unsigned w = 0; w < warp; ++w) before += room[w];
  __syncthreads();
  return before;
}

__global__ void __launch_bounds__(kBlock)
    write_rows(const __grid_constant__ Keys keys, const int* counts,
               std::int64_t* unique, Index room_for, std::int32_t* ranks,
               unsigned* ticket) {
  STROP_SHARED(int, room, kBlock / kWarp);
  int before = 0, all = 0;
  for (unsigned b = threadIdx.x; b < gridDim.x; b += kBlock) {
    const int n = counts[b];
    all += n;
    if (b < blockIdx.x) before += n;
  }
  before = over_block(before, room, Plus{});
  all = over_block(all, room, Plus{});
  const Begun own = begun(keys, [](int, Index) {});
  const int at = before + sum_before(own.all, room);
  begun(keys, [&](int n, Index row) { unique[at + n] = row; });
  const Index first = Index{blockIdx.x} * kShare + threadIdx.x * kOwn;
  if (first < keys.size) ranks[first / kRowGroup] = at;
  if (first + kRowGroup < keys.size) {
    ranks[first / kRowGroup + 1] = at + own.half;
  }
  if (first == 0) *ticket = 0;
  const Index begin = Index{blockIdx.x} * kShare;
  for (Index i = begin + threadIdx.x; i < begin + kShare; i += kBlock) {
    if (i >= all && i < room_for) unique[i] = kNoRow;
  }
}

int bits_for(Index most) {
  int bits = 1;
  while (most >> bits != 0) ++bits;
  return bits;
}

std::size_t rounded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

// What is in the workspace: keys before they are sorted, counts of rows, and
// what the sort works in.
struct Workspace {
  std::size_t keys, counts, sort;
};

Workspace workspace_of(const RowPlan& p) {
  const Index size = p.bags.ids.size;
  Workspace w{rounded(std::size_t(size) * (p.wide ? 8 : 4)),
              rounded(std::size_t(blocks_for(size, kShare)) * sizeof(int)), 0};
  sort_keys(nullptr, nullptr, size, p.wide, p.bag_bits, p.bag_bits + p.row_bits,
            nullptr, w.sort, {});
  return w;
}

// Keys as the ids come, and counts.
template <typename Key>
void make(const RowPlan& p, void* unsorted, Stream stream) {
  constexpr const char* op = "row_plan";
  auto* keys = static_cast<Key*>(unsorted);
  const Bags& bags = p.bags;
  const Index warps = blocks_for(bags.count, kBlock / kWarp);
  if (p.counts != nullptr && bags.width >= Index{kWarp} / 2) {
    return launch(op, count_and_make_keys<Key>, warps, kBlock, stream, bags,
                  p.rows, p.bag_bits, keys, p.counts, stream.fault);
  }
  launch(op, make_keys<Key>, blocks_for(bags.ids.size, kBlock), kBlock, stream,
         bags, p.rows, p.bag_bits, keys, stream.fault);
  if (p.counts != nullptr) {
    launch(op, count_ids, warps, kBlock, stream, bags, p.rows, p.counts);
  }
}

}  // namespace

std::size_t lay_out(RowPlan& p) {
  p.bag_bits = bits_for(p.bags.count > 0 ? p.bags.count - 1 : 0);
  p.row_bits = bits_for(p.rows);
  p.wide = p.bag_bits + p.row_bits > 32;
  if (p.bags.ids.size == 0 || plan_is_small(p)) return 0;
  const Workspace w = workspace_of(p);
  return w.keys + w.counts + w.sort;
}

void row_plan(const RowPlan& p, void* workspace, Stream stream) {
  constexpr const char* op = "row_plan";
  const Index size = p.bags.ids.size;
  if (size == 0) return;
  if (plan_is_small(p)) return row_plan_at_once(p, stream);
  Workspace w = workspace_of(p);
  auto* unsorted = static_cast<char*>(workspace);
  auto* counts = reinterpret_cast<int*>(unsorted + w.keys);
  if (p.wide) {
    make<std::uint64_t>(p, unsorted, stream);
  } else {
    make<std::uint32_t>(p, unsorted, stream);
  }
  sort_keys(unsorted, p.keys, size, p.wide, p.bag_bits, p.bag_bits + p.row_bits,
            unsorted + w.keys + w.counts, w.sort, stream);
  const Index blocks = blocks_for(size, kShare);
  launch(op, count_rows, blocks, kBlock, stream, keys_of(p), counts);
  launch(op, write_rows, blocks, kBlock, stream, keys_of(p), counts, p.unique,
         unique_size(p), p.ranks, p.ticket);
}

}  // namespace strop::cuda
