// Means and sums of table rows. Bound by L2: 4 bytes per id and 4 D per row
// that is read, padding is counted and not read. A row is read by as many lanes
// as it has packs of 16 bytes, four or eight rows per thread are under way at a
// time. With few bags a block shares one, else a warp has one of its own; the
// order of the sum is the same: id k of a bag belongs to sum k mod the number
// of sums, which D alone settles, and the sums are added as a tree.

#include "cuda/row_keys.cuh"
#include "kernels/embedding_bag.h"

namespace strop::cuda {
namespace {

constexpr unsigned kParts = 4;  // sums of a lane, or warps that have one each
constexpr unsigned kTeam = kParts * kWarp;
constexpr unsigned kWarps = kBlock / kWarp;

template <typename T>
__device__ __forceinline__ void add(Pack<T>& sum, const Pack<T>& x) {
#pragma unroll
  for (int k = 0; k < Pack<T>::kSize; ++k) sum.v[k] += x.v[k];
}

// Adds the rows of kRows ids that are `step` apart: all to the first sum, or
// one to each. All of them are under way at once.
template <int kRows, bool kOneSum, typename T>
__device__ __forceinline__ void add_rows(const EmbeddingBag<T>& a, Index at,
                                         Index step, Index end, Index column,
                                         bool is_wide, Pack<T>* sums,
                                         int& count, std::uint64_t* fault) {
  Index ids[kRows];
#pragma unroll
  for (int k = 0; k < kRows; ++k) {
    const Index i = at + k * step;
    ids[k] = i < end ? counted_id(a.bags, i, a.rows, fault) : -1;
  }
  Pack<T> rows[kRows];
#pragma unroll
  for (int k = 0; k < kRows; ++k) {
    rows[k] = ids[k] < 0
                  ? Pack<T>{}
                  : load(a.table + ids[k] * a.width, column, a.width, is_wide);
    count += ids[k] >= 0;
  }
#pragma unroll
  for (int k = 0; k < kRows; ++k) add(sums[kOneSum ? 0 : k], rows[k]);
}

// kShared: a block per bag, whose warp p has the sums of part p; else a warp
// per bag with those of all parts.
template <bool kShared, typename T>
__global__ void __launch_bounds__(kShared ? kTeam : kBlock)
    pool(const __grid_constant__ EmbeddingBag<T> a, unsigned lanes, Index tiles,
         bool is_wide, std::uint64_t* fault) {
  constexpr int kSums = kShared ? 1 : int(kParts);
  const unsigned warp = threadIdx.x / kWarp, own = threadIdx.x % kWarp;
  const unsigned slot = own / lanes, lane = own % lanes, slots = kWarp / lanes;
  const Index team =
      kShared ? Index{blockIdx.x} : Index{blockIdx.x} * kWarps + warp;
  const Place place = place_of(team, tiles);
  if (place.row >= a.bags.count) return;  // a whole warp or block
  const Index column = (place.column * lanes + lane) * Pack<T>::kSize;
  const BagBounds bag = bounds_of(a.bags, place.row);
  const Index round = Index{kParts} * slots;

  Pack<T> sums[kSums] = {};
  int count = 0;
  if constexpr (kShared) {
    constexpr int kRounds = 8;
    for (Index i = bag.begin + warp * slots + slot; i < bag.end;
         i += kRounds * round) {
      add_rows<kRounds, true>(a, i, round, bag.end, column, is_wide, sums,
                              count, fault);
    }
    STROP_SHARED(Pack<T>, room, kTeam);
    STROP_SHARED(int, counts, kTeam);
    room[threadIdx.x] = sums[0];
    counts[threadIdx.x] = count;
    __syncthreads();
    if (warp != 0) return;
#pragma unroll
    for (unsigned p = 1; p < kParts; ++p) {
      add(sums[0], room[p * kWarp + own]);
      count += counts[p * kWarp + own];
    }
  } else {
    for (Index i = bag.begin + slot; i < bag.end; i += round) {
      add_rows<kSums, false>(a, i, slots, bag.end, column, is_wide, sums, count,
                             fault);
    }
#pragma unroll
    for (int p = 1; p < kSums; ++p) add(sums[0], sums[p]);
  }
  Pack<T> sum = sums[0];
  for (unsigned step = kWarp / 2; step >= lanes; step /= 2) {
    count += __shfl_xor_sync(kAll, count, step);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      sum.v[k] += __shfl_xor_sync(kAll, sum.v[k], step);
    }
  }
  if (a.bags.mean && count > 0) {
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) sum.v[k] /= T(count);
  }
  if (slot == 0) {
    store(a.out + place.row * a.width, column, a.width, is_wide, sum);
  }
}

// Below this many warps of work a block per bag fills more of a device.
constexpr Index kFewTeams = 1024;

template <typename T>
void run(const EmbeddingBag<T>& a, Stream stream) {
  constexpr const char* op = "embedding_bag";
  const Index packs = blocks_for(a.width, Pack<T>::kSize);
  unsigned lanes = 1;
  while (lanes < kWarp && Index{lanes} < packs) lanes *= 2;
  const Index tiles = blocks_for(packs, lanes), teams = a.bags.count * tiles;
  const bool is_wide = a.width % Pack<T>::kSize == 0 && wide(a.table, a.out);
  if (teams < kFewTeams) {
    launch(op, pool<true, T>, teams, kTeam, stream, a, lanes, tiles, is_wide,
           stream.fault);
  } else {
    launch(op, pool<false, T>, blocks_for(teams, kWarps), kBlock, stream, a,
           lanes, tiles, is_wide, stream.fault);
  }
}

}  // namespace

void embedding_bag(const EmbeddingBag<float>& a, Stream s) { run(a, s); }
void embedding_bag(const EmbeddingBag<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
