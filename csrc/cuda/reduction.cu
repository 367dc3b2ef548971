// Sums and maxima along one axis of (outer, extent, inner). Bound
// by reading x once. The axis is cut into segments of a constant length; what
// they give, in double, is reduced by the same kernel again.

#include "cuda/common.cuh"
#include "kernels/reduction.h"

namespace strop::cuda {
namespace {

constexpr Index kSegment = 8192;    // elements of a run, per block
constexpr Index kRowSegment = 512;  // rows of columns, per block
constexpr unsigned kColumns = 32;   // per block
constexpr unsigned kRowThreads = kBlock / kColumns;

constexpr Index segment_of(Index inner) {
  return inner == 1 ? kSegment : kRowSegment;
}

template <Reduction R>
struct Join {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    if constexpr (R == Reduction::kMax) {
      return Greater{}(a, b);
    } else {
      return a + b;
    }
  }
};

template <Reduction R>
__device__ __forceinline__ double start() {
  return R == Reduction::kMax ? -INFINITY : 0.0;
}

template <Reduction R, typename T>
__device__ __forceinline__ double term(T x) {
  const double v = double(x);
  return R == Reduction::kSumOfSquares ? v * v : v;
}

// out (outer, segments): each block one segment of one run.
template <Reduction R, typename T>
__global__ void __launch_bounds__(kBlock)
    runs(const T* x, double* out, Index extent, Index segments) {
  constexpr Index kSize = Pack<T>::kSize;
  STROP_SHARED(double, room, kBlock / kWarp);
  const Index run = blockIdx.x / segments;
  const Index begin = blockIdx.x % segments * kSegment;
  const Index n = min(extent - begin, kSegment);
  const T* from = x + run * extent + begin;
  const bool is_wide = reinterpret_cast<std::uintptr_t>(from) % 16 == 0;
  double so_far = start<R>();
#pragma unroll 4
  for (Index i = threadIdx.x * kSize; i < n; i += kBlock * kSize) {
    const Pack<T> p = load_once(from, i, n, is_wide);
#pragma unroll
    for (int k = 0; k < kSize; ++k) {
      if (i + k < n) so_far = Join<R>{}(so_far, term<R>(p.v[k]));
    }
  }
  so_far = over_block(so_far, room, Join<R>{});
  if (threadIdx.x == 0) out[blockIdx.x] = so_far;
}

// Short runs: a warp for each.
template <Reduction R, typename T>
__global__ void __launch_bounds__(kBlock)
    short_runs(const T* x, double* out, Index outer, Index extent) {
  const Index run = (Index{blockIdx.x} * kBlock + threadIdx.x) / Index{kWarp};
  if (run >= outer) return;
  double so_far = start<R>();
  for (Index i = threadIdx.x % kWarp; i < extent; i += kWarp) {
    so_far = Join<R>{}(so_far, term<R>(x[run * extent + i]));
  }
  so_far = over_warp(so_far, Join<R>{});
  if (threadIdx.x % kWarp == 0) out[run] = so_far;
}

// out (outer, segments, inner): each block kColumns columns of one segment.
template <Reduction R, typename T>
__global__ void __launch_bounds__(kBlock)
    columns(const T* x, double* out, Index extent, Index inner, Index segments,
            Index tiles) {
  STROP_SHARED(double, room, kBlock);
  const Index tile = blockIdx.x % tiles;
  const Index segment = blockIdx.x / tiles % segments;
  const Index block = blockIdx.x / tiles / segments;
  const Index column = tile * kColumns + threadIdx.x % kColumns;
  const Index first = segment * kRowSegment;
  const Index end = min(extent, first + kRowSegment);
  double so_far = start<R>();
  if (column < inner) {
    const T* from = x + block * extent * inner + column;
#pragma unroll 4
    for (Index k = first + threadIdx.x / kColumns; k < end; k += kRowThreads) {
      so_far = Join<R>{}(so_far, term<R>(from[k * inner]));
    }
  }
  room[threadIdx.x] = so_far;
  __syncthreads();
  if (threadIdx.x >= kColumns || column >= inner) return;
  for (unsigned k = 1; k < kRowThreads; ++k) {
    so_far = Join<R>{}(so_far, room[k * kColumns + threadIdx.x]);
  }
  out[(block * segments + segment) * inner + column] = so_far;
}

// One level; returns how many segments it left.
template <Reduction R, typename T>
void level(const T* x, double* out, Index outer, Index extent, Index inner,
           Index segments, Stream stream) {
  if (inner == 1 && extent <= 1024) {
    return launch("reduce", short_runs<R, T>, blocks_for(outer, kBlock / kWarp),
                  kBlock, stream, x, out, outer, extent);
  }
  if (inner == 1) {
    return launch("reduce", runs<R, T>, outer * segments, kBlock, stream, x,
                  out, extent, segments);
  }
  const Index tiles = blocks_for(inner, kColumns);
  launch("reduce", columns<R, T>, outer * segments * tiles, kBlock, stream, x,
         out, extent, inner, segments, tiles);
}

// Partial results go to the workspace, level after level.
template <Reduction R, typename T>
void levels(const Reduce<T>& a, Stream stream) {
  constexpr Reduction kNext =
      R == Reduction::kSumOfSquares ? Reduction::kSum : R;
  Index segments = max(Index{1}, blocks_for(a.extent, segment_of(a.inner)));
  double* out = segments == 1 ? a.out : a.workspace;
  level<R>(a.x, out, a.outer, a.extent, a.inner, segments, stream);
  while (segments > 1) {
    const Index extent = segments;
    const double* from = out;
    segments = blocks_for(extent, segment_of(a.inner));
    out = segments == 1 ? a.out : out + a.outer * extent * a.inner;
    level<kNext>(from, out, a.outer, extent, a.inner, segments, stream);
  }
}

template <typename T>
void run(const Reduce<T>& a, Stream stream) {
  switch (a.which) {
    case Reduction::kSum:
      return levels<Reduction::kSum>(a, stream);
    case Reduction::kSumOfSquares:
      return levels<Reduction::kSumOfSquares>(a, stream);
    case Reduction::kMax:
      return levels<Reduction::kMax>(a, stream);
  }
}

// ---- to the type of x ------------------------------------------------------

template <typename T>
__global__ void __launch_bounds__(kBlock)
    finish(const __grid_constant__ FinishReduction<T> a) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= a.size) return;
  const double v = a.values[i];
  a.out[i] = T(a.which == Finish::kDivide ? v / a.count
               : a.which == Finish::kRoot ? square_root(v)
                                          : v);
}

template <typename T>
void run(const FinishReduction<T>& a, Stream stream) {
  launch("reduce", finish<T>, blocks_for(a.size, kBlock), kBlock, stream, a);
}

}  // namespace

Index reduce_workspace(Index outer, Index extent, Index inner) {
  Index total = 0;
  while (extent > segment_of(inner)) {
    extent = blocks_for(extent, segment_of(inner));
    total += outer * extent * inner;
  }
  return total;
}

void reduce(const Reduce<float>& a, Stream s) { run(a, s); }
void reduce(const Reduce<double>& a, Stream s) { run(a, s); }
void finish_reduction(const FinishReduction<float>& a, Stream s) { run(a, s); }
void finish_reduction(const FinishReduction<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
