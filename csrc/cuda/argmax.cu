// The places of the greatest along one axis of (outer, extent, inner). Bound by
// reading x once. A long axis is cut into segments of a constant length, whose
// best a second kernel compares. The order does not matter: of equals, and of
// NaNs, the first is taken.

#include "cuda/common.cuh"
#include "kernels/reduction.h"

namespace strop::cuda {
namespace {

constexpr Index kShort = 1024;      // elements of a run that a warp takes
constexpr Index kSegment = 8192;    // of a longer one, per block
constexpr Index kRowSegment = 512;  // rows of columns, per block
constexpr unsigned kColumns = 32;   // per block
constexpr unsigned kRowThreads = kBlock / kColumns;

template <typename T>
struct Best {
  T value;
  Index place;
};

// A segment's best as it stands in the workspace. A number is the same in
// double.
struct Part {
  double value;
  Index place;
};

template <typename T>
__device__ __forceinline__ Best<T> better(const Best<T>& a, const Best<T>& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  const bool alike = (a_nan && b_nan) || a.value == b.value;
  const bool first = alike ? a.place < b.place : a_nan || a.value > b.value;
  return first && (a_nan || !b_nan) ? a : b;
}

// Worse than any element.
template <typename T>
__device__ __forceinline__ Best<T> none() {
  return {T(-INFINITY), INT64_MAX};
}

template <typename T>
__device__ __forceinline__ Best<T> best_of_warp(Best<T> best) {
#pragma unroll
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    best = better(best, {__shfl_xor_sync(kAll, best.value, step),
                         __shfl_xor_sync(kAll, best.place, step)});
  }
  return best;
}

// A result, or a segment's.
template <typename T>
__device__ __forceinline__ void write(const Best<T>& best, Index at,
                                      Part* parts, std::int64_t* out) {
  if (parts != nullptr) {
    parts[at] = {double(best.value), best.place};
  } else {
    out[at] = best.place;
  }
}

// Short runs: a warp for each.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    short_runs(const T* x, std::int64_t* out, Index outer, Index extent) {
  const Index run = (Index{blockIdx.x} * kBlock + threadIdx.x) / Index{kWarp};
  if (run >= outer) return;
  Best<T> best = none<T>();
#pragma unroll 4
  for (Index i = threadIdx.x % kWarp; i < extent; i += kWarp) {
    best = better(best, {x[run * extent + i], i});
  }
  best = best_of_warp(best);
  if (threadIdx.x % kWarp == 0) out[run] = best.place;
}

// Each block one segment of one run.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    runs(const T* x, Part* parts, std::int64_t* out, Index extent,
         Index segments) {
  constexpr Index kSize = Pack<T>::kSize;
  constexpr unsigned kWarps = kBlock / kWarp;
  STROP_SHARED(T, values, kWarps);
  STROP_SHARED(Index, where, kWarps);
  const Index run = blockIdx.x / segments;
  const Index begin = blockIdx.x % segments * kSegment;
  const Index n = min(extent - begin, kSegment);
  const T* from = x + run * extent + begin;
  const bool is_wide = reinterpret_cast<std::uintptr_t>(from) % 16 == 0;
  Best<T> best = none<T>();
#pragma unroll 2
  for (Index i = threadIdx.x * kSize; i < n; i += kBlock * kSize) {
    const Pack<T> p = load_once(from, i, n, is_wide);
#pragma unroll
    for (int k = 0; k < kSize; ++k) {
      if (i + k < n) best = better(best, {p.v[k], begin + i + k});
    }
  }
  best = best_of_warp(best);
  if (threadIdx.x % kWarp == 0) {
    values[threadIdx.x / kWarp] = best.value;
    where[threadIdx.x / kWarp] = best.place;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (unsigned w = 1; w < kWarps; ++w) {
    best = better(best, {values[w], where[w]});
  }
  write(best, blockIdx.x, parts, out);
}

// Each block kColumns columns of one segment: (outer, segments, inner).
template <typename T>
__global__ void __launch_bounds__(kBlock)
    columns(const T* x, Part* parts, std::int64_t* out, Index extent,
            Index inner, Index segments, Index tiles) {
  STROP_SHARED(T, values, kBlock);
  STROP_SHARED(Index, where, kBlock);
  const Index tile = blockIdx.x % tiles;
  const Index segment = blockIdx.x / tiles % segments;
  const Index block = blockIdx.x / tiles / segments;
  const Index column = tile * kColumns + threadIdx.x % kColumns;
  const Index first = segment * kRowSegment;
  const Index end = min(extent, first + kRowSegment);
  Best<T> best = none<T>();
  if (column < inner) {
    const T* from = x + block * extent * inner + column;
#pragma unroll 4
    for (Index k = first + threadIdx.x / kColumns; k < end; k += kRowThreads) {
      best = better(best, {from[k * inner], k});
    }
  }
  values[threadIdx.x] = best.value;
  where[threadIdx.x] = best.place;
  __syncthreads();
  if (threadIdx.x >= kColumns || column >= inner) return;
  for (unsigned k = 1; k < kRowThreads; ++k) {
    const unsigned other = k * kColumns + threadIdx.x;
    best = better(best, {values[other], where[other]});
  }
  write(best, (block * segments + segment) * inner + column, parts, out);
}

// A warp for each result, from its segments.
__global__ void __launch_bounds__(kBlock)
    best_parts(const Part* parts, std::int64_t* out, Index count,
               Index segments, Index inner) {
  const Index result =
      (Index{blockIdx.x} * kBlock + threadIdx.x) / Index{kWarp};
  if (result >= count) return;
  const Place place = place_of(result, inner);
  Best<double> best = none<double>();
  for (Index s = threadIdx.x % kWarp; s < segments; s += kWarp) {
    const Part part = parts[(place.row * segments + s) * inner + place.column];
    best = better(best, {part.value, part.place});
  }
  best = best_of_warp(best);
  if (threadIdx.x % kWarp == 0) out[result] = best.place;
}

constexpr Index segments_of(Index extent, Index inner) {
  const Index each = inner == 1 ? kSegment : kRowSegment;
  return extent <= each ? 1 : (extent + each - 1) / each;
}

template <typename T>
void run(const ArgMax<T>& a, Stream stream) {
  constexpr const char* op = "argmax";
  constexpr Index kRuns = kBlock / kWarp;
  const Index segments = segments_of(a.extent, a.inner);
  auto* parts = segments > 1 ? reinterpret_cast<Part*>(a.workspace) : nullptr;
  if (a.inner == 1 && a.extent <= kShort) {
    return launch(op, short_runs<T>, blocks_for(a.outer, kRuns), kBlock, stream,
                  a.x, a.out, a.outer, a.extent);
  }
  if (a.inner == 1) {
    launch(op, runs<T>, a.outer * segments, kBlock, stream, a.x, parts, a.out,
           a.extent, segments);
  } else {
    const Index tiles = blocks_for(a.inner, kColumns);
    launch(op, columns<T>, a.outer * segments * tiles, kBlock, stream, a.x,
           parts, a.out, a.extent, a.inner, segments, tiles);
  }
  if (parts == nullptr) return;
  const Index count = a.outer * a.inner;
  launch(op, best_parts, blocks_for(count, kRuns), kBlock, stream, parts, a.out,
         count, segments, a.inner);
}

}  // namespace

Index argmax_workspace(Index outer, Index extent, Index inner) {
  const Index segments = segments_of(extent, inner);
  constexpr Index kDoubles = sizeof(Part) / sizeof(double);
  return segments > 1 ? kDoubles * outer * segments * inner : 0;
}

void argmax(const ArgMax<float>& a, Stream s) { run(a, s); }
void argmax(const ArgMax<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
