// The gradient by a table from a row plan: per row the sum of its bags'
// gradients. Bound by L2: 4 bytes of key and 4 D of gradient per id, 4 D
// written per row. Whatever the ids are, every group of threads adds kRowGroup
// of them: sums are cut at fixed places of the sorted list, and what belongs to
// one row is put together in order, first within a chunk, then over the chunks.

#include "cuda/row_keys.cuh"
#include "kernels/row_plan.h"

namespace strop::cuda {
namespace {

constexpr unsigned kGroups = unsigned(kRowChunk / kRowGroup);
constexpr unsigned kMostLanes = kBlock / kGroups;  // packs of a row at a time

// What the first ids of a group have to do with the group before.
enum Lead : int {
  kNone,    // nothing: a row begins, or there is none
  kEnds,    // they end a row that began earlier
  kGoesOn,  // all of them belong to it, and it may go on
};

// Columns of a row that the threads of a group share: `lanes` packs of a tile.
struct Tile {
  unsigned lanes;  // 1, 2, 4 or 8
  Index tiles;     // of a row
};

template <typename T>
Tile tile_of(Index width) {
  const Index packs = blocks_for(width, Pack<T>::kSize);
  unsigned lanes = 1;
  while (lanes < kMostLanes && Index{lanes} < packs) lanes *= 2;
  return {lanes, blocks_for(packs, lanes)};
}

template <typename T>
__device__ __forceinline__ void add(Pack<T>& sum, const Pack<T>& x) {
#pragma unroll
  for (int k = 0; k < Pack<T>::kSize; ++k) sum.v[k] += x.v[k];
}

template <typename T>
struct Sums {
  const T* grad;
  Keys keys;
  const std::int32_t* ranks;
  const std::int32_t* counts;  // or null
  T* out;
  T* partials;
  unsigned* ticket;  // null: add_chunks comes afterwards
  Index width;
  Tile tile;
  bool dense, is_wide;

  // Where the sum of a row goes, `rank` being its place among the rows.
  __device__ __forceinline__ T* target(Index row, Index rank) const {
    return out + (dense ? row : rank) * width;
  }
};

// The pack of the gradient that the id of `key` adds.
template <typename T>
__device__ __forceinline__ Pack<T> term(const Sums<T>& s, std::uint64_t key,
                                        Index column) {
  const Index bag = Index(key & ((std::uint64_t{1} << s.keys.bag_bits) - 1));
  Pack<T> x = load(s.grad + bag * s.width, column, s.width, s.is_wide);
  if (s.counts != nullptr) {
    const T share = T(1) / T(s.counts[bag]);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) x.v[k] *= share;
  }
  return x;
}

// Chunks [chunk, end) begin with ids of a row that begins in the chunk before;
// none of another one.
struct Crossing {
  Index row, end;
};

__device__ __forceinline__ Crossing crossing(const Keys& keys, Index chunk) {
  const Index first = chunk * kRowChunk, row = keys.row(first);
  if (row >= keys.rows || keys.row(first - 1) != row ||
      (chunk > 1 && keys.row(first - kRowChunk - 1) == row)) {
    return {row, chunk};
  }
  Index end = chunk + 1, high = (keys.size + kRowChunk - 1) / kRowChunk;
  while (end < high) {  // the keys rise
    const Index middle = (end + high) / 2;
    if (keys.row(middle * kRowChunk) == row) {
      end = middle + 1;
    } else {
      high = middle;
    }
  }
  return {row, end};
}

// What other blocks have written: past the cache that blocks do not share.
template <typename T>
__device__ __forceinline__ Pack<T> load_shared(const T* x, Index i, Index n,
                                               bool is_wide) {
  Pack<T> p;
  if (is_wide) {
    using W = typename Wide<T>::Type;
    *reinterpret_cast<W*>(p.v) = __ldcg(reinterpret_cast<const W*>(x + i));
    return p;
  }
#pragma unroll
  for (int k = 0; k < Pack<T>::kSize; ++k) {
    p.v[k] = i + k < n ? __ldcg(x + i + k) : T(0);
  }
  return p;
}

// The last block's part: a group per chunk and tile.
template <typename T>
__device__ __forceinline__ void finish(const Sums<T>& s, unsigned group,
                                       unsigned lane) {
  const Index chunks = (s.keys.size + kRowChunk - 1) / kRowChunk;
  for (Index i = group; i < (chunks - 1) * s.tile.tiles; i += kGroups) {
    const Place place = place_of(i, s.tile.tiles);
    const Index chunk = place.row + 1;
    const Crossing c = crossing(s.keys, chunk);
    const Index column = (place.column * s.tile.lanes + lane) * Pack<T>::kSize;
    if (c.end == chunk || column >= s.width) continue;
    T* target = s.target(c.row, s.ranks[chunk * kRowChunk / kRowGroup] - 1);
    Pack<T> total = load_shared(target, column, s.width, s.is_wide);
#pragma unroll 4
    for (Index k = chunk; k < c.end; ++k) {
      add(total,
          load_shared(s.partials + k * s.width, column, s.width, s.is_wide));
    }
    store(target, column, s.width, s.is_wide, total);
  }
  if (threadIdx.x == 0) atomicExch(s.ticket, 0u);  // the plan may serve again
}

// A block per chunk and tile, a group of `lanes` threads per kRowGroup ids.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    sum_chunks(const __grid_constant__ Sums<T> s) {
  STROP_SHARED(Pack<T>, leads, kGroups * kMostLanes);
  STROP_SHARED(int, kinds, kGroups);
  const Place place = place_of(blockIdx.x, s.tile.tiles);
  const unsigned lanes = s.tile.lanes;
  const unsigned group = threadIdx.x / lanes, lane = threadIdx.x % lanes;
  const Index column = (place.column * lanes + lane) * Pack<T>::kSize;
  const Index first = place.row * kRowChunk + group * kRowGroup;
  const Index none = s.keys.rows;

  Pack<T> terms[kRowGroup];
  Index rows[kRowGroup];
#pragma unroll
  for (Index k = 0; k < kRowGroup; ++k) {
    const bool inside = first + k < s.keys.size;
    const std::uint64_t key = inside ? s.keys.at(first + k) : 0;
    rows[k] = inside ? Index(key >> s.keys.bag_bits) : none;
    terms[k] = rows[k] < none ? term(s, key, column) : Pack<T>{};
  }
  Index before = first == 0 ? -1 : s.keys.row(first - 1);
  Index rank = rows[0] < none ? Index{s.ranks[first / kRowGroup]} - 1 : 0;
  int kind = rows[0] == before && rows[0] < none ? kGoesOn : kNone;
  bool begun = false;  // a row, in this group
  Pack<T> sum{};
#pragma unroll
  for (Index k = 0; k < kRowGroup; ++k) {
    if (rows[k] != before) {
      if (begun) {
        put(s.target(before, rank), column, s.width, s.is_wide, sum);
      } else if (kind == kGoesOn) {
        kind = kEnds;
        leads[group * lanes + lane] = sum;
      }
      begun = rows[k] < none;
      if (!begun) break;
      before = rows[k];
      ++rank;
      sum = terms[k];
    } else if (rows[k] < none) {
      add(sum, terms[k]);
    }
  }
  if (kind == kGoesOn) leads[group * lanes + lane] = sum;
  if (lane == 0) kinds[group] = kind;
  __syncthreads();

  // The rest of the row that the group's last ids belong to, and, by the first
  // group, of the row that the chunk's first ones do.
  const auto follow = [&](unsigned from, Pack<T>& total) {
    for (unsigned g = from; g < kGroups && kinds[g] != kNone; ++g) {
      add(total, leads[g * lanes + lane]);
      if (kinds[g] == kEnds) return;
    }
  };
  if (begun) {
    follow(group + 1, sum);
    put(s.target(before, rank), column, s.width, s.is_wide, sum);
  }
  if (group == 0 && kind != kNone) {
    Pack<T> lead{};
    follow(0, lead);
    put(s.partials + place.row * s.width, column, s.width, s.is_wide, lead);
  }
  if (s.ticket != nullptr && last_block(s.ticket)) finish(s, group, lane);
}

// A block per chunk and tile.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    add_chunks(const __grid_constant__ Sums<T> s) {
  STROP_SHARED(Pack<T>, room, kBlock);
  const Place place = place_of(blockIdx.x, s.tile.tiles);
  const Index chunk = place.row + 1;
  const Crossing own = crossing(s.keys, chunk);
  const Index end = own.end;
  if (end == chunk) return;
  const unsigned lanes = s.tile.lanes, groups = blockDim.x / lanes;
  const unsigned group = threadIdx.x / lanes, lane = threadIdx.x % lanes;
  const Index column = (place.column * lanes + lane) * Pack<T>::kSize;
  Pack<T> sum{};
#pragma unroll 4
  for (Index c = chunk + group; c < end; c += groups) {
    add(sum, load(s.partials + c * s.width, column, s.width, s.is_wide));
  }
  room[threadIdx.x] = sum;
  __syncthreads();
  if (group != 0) return;
  T* target = s.target(own.row, s.ranks[chunk * kRowChunk / kRowGroup] - 1);
  Pack<T> total = load(target, column, s.width, s.is_wide);
  for (unsigned g = 0; g < groups && Index{g} < end - chunk; ++g) {
    add(total, room[g * lanes + lane]);
  }
  store(target, column, s.width, s.is_wide, total);
}

// So many are put together by the last block, which saves a launch.
constexpr Index kFewChunks = 64;

template <typename T>
void run(const RowGradient<T>& a, Stream stream) {
  constexpr const char* op = "row_gradient";
  if (a.dense) {
    clear(op, a.out, std::size_t(a.plan.rows * a.width) * sizeof(T), stream);
  }
  const Index chunks = blocks_for(a.plan.bags.ids.size, kRowChunk);
  const Tile tile = tile_of<T>(a.width);
  const bool is_wide =
      a.width % Pack<T>::kSize == 0 && wide(a.grad, a.out, a.partials);
  const bool at_once = chunks <= kFewChunks;
  const Sums<T> s{a.grad,
                  keys_of(a.plan),
                  a.plan.ranks,
                  a.plan.counts,
                  a.out,
                  a.partials,
                  at_once && chunks > 1 ? a.plan.ticket : nullptr,
                  a.width,
                  tile,
                  a.dense,
                  is_wide};
  launch(op, sum_chunks<T>, chunks * tile.tiles, kGroups * tile.lanes, stream,
         s);
  if (!at_once) {
    launch(op, add_chunks<T>, (chunks - 1) * tile.tiles, kBlock, stream, s);
  }
}

}  // namespace

void row_gradient(const RowGradient<float>& a, Stream s) { run(a, s); }
void row_gradient(const RowGradient<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
