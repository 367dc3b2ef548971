// A row plan in one launch, for batches of few ids and tables of few rows; the
// radix sort takes nine. Nothing goes from block to block: each reads all ids,
// which come from L2, and puts those of its own 512 rows in order. How many
// rows and ids lie before its own it sees from a bit per row of the table.
//
// The order is that of a counting sort: every warp has a counter per row for a
// share of the ids of its own, so that ids of a row keep their order. Warps of
// a block with hot rows walk over their share as fast as the others.

#include "cuda/row_keys.cuh"
#include "kernels/embedding_bag.h"
#include "kernels/row_plan.h"

namespace strop::cuda {
namespace {

constexpr unsigned kThreads = 1024;
constexpr unsigned kWarps = kThreads / kWarp;
constexpr Index kRange = 512;                      // rows of a block
constexpr unsigned kWords = unsigned(kRange) / 2;  // counters, two in a word
constexpr unsigned kRoom = kWarps * kWords;

// With more rows the bits do not fit, with more ids a counter does not; above
// the product blocks have so much to read that sorting is faster [estimated].
constexpr Index kMostRows = Index{kRoom} * 32;
constexpr Index kMostIds = 0xffff;
constexpr Index kMostReads = Index{6} << 20;

// Four numbers of 16 bits, which no sum over the ids of a batch overflows.
struct Totals {
  unsigned long long packed = 0;

  __device__ __forceinline__ void add(int which, unsigned long long n) {
    packed += n << (16 * which);
  }
  __device__ __forceinline__ Index at(int which) const {
    return Index(packed >> (16 * which) & 0xffff);
  }
};

// The sum over all threads. `room` is for one number per warp.
__device__ __forceinline__ unsigned long long sum_of_all(
    unsigned long long x, unsigned long long* room) {
  x = over_warp(x, Plus{});
  if (threadIdx.x % kWarp == 0) room[threadIdx.x / kWarp] = x;
  __syncthreads();
  x = over_warp(room[threadIdx.x % kWarp], Plus{});
  __syncthreads();
  return x;
}

// The sum over the threads before.
__device__ __forceinline__ unsigned sum_before(unsigned x, unsigned* room) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const auto scan = [lane](unsigned sum) {
#pragma unroll
    for (unsigned step = 1; step < kWarp; step *= 2) {
      const unsigned other = __shfl_up_sync(kAll, sum, step);
      if (lane >= step) sum += other;
    }
    return sum;
  };
  const unsigned up_to = scan(x);
  if (lane == kWarp - 1) room[warp] = up_to;
  __syncthreads();
  const unsigned warps = scan(room[lane]);
  const unsigned before = __shfl_sync(kAll, warps, warp == 0 ? 0 : warp - 1);
  return up_to - x + (warp == 0 ? 0 : before);
}

// body(i, id) for i = begin, begin + step, ... below end, and beyond it with an
// id of -1 up to the next fourth; four ids are under way at a time.
template <typename F>
__device__ __forceinline__ void for_ids(const Bags& bags, Index rows,
                                        Index begin, Index end, Index step,
                                        Index own, std::uint64_t* fault,
                                        const F& body) {
  for (Index at = begin; at < end; at += 4 * step) {
    Index ids[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const Index i = at + k * step + own;
      ids[k] = i < end ? counted_id(bags, i, rows, fault) : -1;
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) body(at + k * step + own, ids[k]);
  }
}

__global__ void __launch_bounds__(kThreads, 1)
    plan_at_once(const __grid_constant__ RowPlan p, Index room_for,
                 std::uint64_t* fault) {
  STROP_SHARED(unsigned, words, kRoom);  // a bit per row, then counters
  STROP_SHARED(unsigned, row_ranks, kRange);
  STROP_SHARED(unsigned long long, sums, kWarps);
  STROP_SHARED(unsigned, scans, kWarps);
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const Index size = p.bags.ids.size;
  const Index first_row = Index{blockIdx.x} * kRange;
  const auto clear_words = [&] {
    for (unsigned w = threadIdx.x; w < kRoom; w += kThreads) words[w] = 0;
    __syncthreads();
  };

  // What lies before this block's rows, and in all.
  enum { kIdsBefore, kIds, kRowsBefore, kRows };
  Totals totals;
  clear_words();
  for_ids(p.bags, p.rows, 0, size, kThreads, threadIdx.x,
          blockIdx.x == 0 ? fault : nullptr, [&](Index, Index id) {
            if (id < 0) return;
            atomicOr(words + id / 32, 1u << (id % 32));
            totals.add(kIds, 1);
            totals.add(kIdsBefore, id < first_row);
          });
  __syncthreads();
  for (Index w = threadIdx.x; w * 32 < p.rows; w += kThreads) {
    const int n = __popc(words[w]);
    totals.add(kRows, n);
    if (w * 32 < first_row) totals.add(kRowsBefore, n);
  }
  totals.packed = sum_of_all(totals.packed, sums);
  const Index ids_before = totals.at(kIdsBefore);
  const Index rows_before = totals.at(kRowsBefore);

  // How many ids of each row every warp's share has.
  const Index share = (size + kThreads - 1) / kThreads * kWarp;
  const Index begin = min(warp * share, size), end = min(begin + share, size);
  clear_words();
  unsigned* const own_words = words + warp * kWords;
  for_ids(p.bags, p.rows, begin, end, kWarp, lane, nullptr,
          [&](Index, Index id) {
            const Index row = id - first_row;
            if (id < 0 || row < 0 || row >= kRange) return;
            atomicAdd(own_words + row / 2, 1u << (16 * (row % 2)));
          });
  __syncthreads();

  // From counts to places: by row, then by warp.
  unsigned even = 0, odd = 0;
  if (threadIdx.x < kWords) {
#pragma unroll 8
    for (unsigned w = 0; w < kWarps; ++w) {
      const unsigned both = words[w * kWords + threadIdx.x];
      even += both & 0xffff;
      odd += both >> 16;
    }
  }
  constexpr unsigned kRow = 1u << 17;  // in a sum of rows and ids
  const unsigned before = sum_before(
      even + odd + kRow * unsigned(even > 0) + kRow * unsigned(odd > 0), scans);
  if (threadIdx.x < kWords) {
    const unsigned rank = before / kRow;
    const Index row = 2 * Index{threadIdx.x};
    row_ranks[row] = rank;
    row_ranks[row + 1] = rank + (even > 0);
    std::int64_t* unique = p.unique + rows_before + rank;
    if (even > 0) *unique++ = first_row + row;
    if (odd > 0) *unique = first_row + row + 1;
    unsigned place = before % kRow | (before % kRow + even) << 16;
#pragma unroll 8
    for (unsigned w = 0; w < kWarps; ++w) {
      unsigned& both = words[w * kWords + threadIdx.x];
      const unsigned count = both;
      both = place;
      place += count;
    }
  }
  __syncthreads();

  // Keys to their places, 32 ids of a warp at a time.
  auto* const keys = static_cast<std::uint32_t*>(p.keys);
  for_ids(
      p.bags, p.rows, begin, end, kWarp, lane, nullptr, [&](Index i, Index id) {
        const Index row = id - first_row;
        const bool own = id >= 0 && row >= 0 && row < kRange;
        if (!__any_sync(kAll, own)) return;
        const unsigned peers = __match_any_sync(kAll, own ? int(row) : -1);
        const int shift = 16 * int(row % 2 != 0);
        const int first = __ffs(int(peers)) - 1;
        unsigned place = 0;
        if (own && unsigned(first) == lane) {
          place = atomicAdd(own_words + row / 2, unsigned(__popc(peers))
                                                     << shift) >>
                  shift;
        }
        place = __shfl_sync(kAll, place, unsigned(first)) & 0xffff;
        if (!own) return;
        const Index at =
            ids_before + place + __popc(peers & ((1u << lane) - 1));
        keys[at] =
            std::uint32_t(id) << p.bag_bits | std::uint32_t(bag_of(p.bags, i));
        const Index next = at + 1;
        if (next % kRowGroup == 0 && next < size) {
          p.ranks[next / kRowGroup] =
              std::int32_t(rows_before + row_ranks[row] + 1);
        }
      });

  // What is left over, by all blocks.
  const Index thread = Index{blockIdx.x} * kThreads + threadIdx.x;
  const Index threads = Index{gridDim.x} * kThreads;
  if (thread == 0) {
    p.ranks[0] = 0;
    *p.ticket = 0;
  }
  for (Index i = totals.at(kIds) + thread; i < size; i += threads) {
    keys[i] = std::uint32_t(p.rows) << p.bag_bits;
  }
  for (Index i = totals.at(kRows) + thread; i < room_for; i += threads) {
    p.unique[i] = kNoRow;
  }
  if (p.counts == nullptr) return;
  const Index last = Index{gridDim.x} - 1 - blockIdx.x;  // hot rows come first
  for (Index bag = last * kWarps + warp; bag < p.bags.count;
       bag += Index{gridDim.x} * kWarps) {
    const int count = count_of(p.bags, bag, p.rows);
    if (lane == 0) p.counts[bag] = count;
  }
}

}  // namespace

bool plan_is_small(const RowPlan& p) {
  return !p.wide && p.rows <= kMostRows && p.bags.ids.size <= kMostIds &&
         blocks_for(p.rows, kRange) * p.bags.ids.size <= kMostReads;
}

void row_plan_at_once(const RowPlan& p, Stream stream) {
  const Index blocks = p.rows > 0 ? blocks_for(p.rows, kRange) : 1;
  launch("row_plan", plan_at_once, blocks, kThreads, stream, p, unique_size(p),
         stream.fault);
}

}  // namespace strop::cuda
