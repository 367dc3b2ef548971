// Sums, maxima and their places along one axis of (outer, extent, inner). Bound
// by reading x once. Blocks of 4,096 elements are summed in 16 lanes, the block
// sums added in double, so the error grows with the logarithm of the block.

#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "kernels.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kBlock = 4096;
constexpr Index kTile = 64;  // columns accumulated at a time: 512 B of sums

// The sum of n elements: blocks in lanes, a binary tree over the blocks.
template <bool kSquares, typename T>
double block_sum(const T* x, Index n) {
  if (n <= kBlock) return lane_sum<kSquares>(x, n);
  const Index blocks = (n + kBlock - 1) / kBlock;
  const Index half = (blocks / 2) * kBlock;
  return block_sum<kSquares>(x, half) + block_sum<kSquares>(x + half, n - half);
}

template <Reduction R, typename T>
void contiguous(const Reduce<T>& args) {
  const T* x = args.x;
  double* out = args.out;
  const Index extent = args.extent;
  const bool parallel =
      args.outer * extent * Index{sizeof(T)} >= kParallelBytes;
  parallel_for(args.outer, 1 + kBlock / (extent + 1), parallel,
               [=](Index begin, Index end) {
                 for (Index i = begin; i < end; ++i) {
                   const T* row = x + i * extent;
                   if constexpr (R == Reduction::kMax) {
                     out[i] = double(greatest(row, extent));
                   } else {
                     out[i] =
                         block_sum<R == Reduction::kSumOfSquares>(row, extent);
                   }
                 }
               });
}

template <Reduction R, typename T>
void columns(const Reduce<T>& args) {
  const T* x = args.x;
  double* out = args.out;
  const Index extent = args.extent;
  const Index inner = args.inner;
  const Index tiles = (inner + kTile - 1) / kTile;
  const bool parallel =
      args.outer * extent * inner * Index{sizeof(T)} >= kParallelBytes;
  parallel_for(args.outer * tiles, 1, parallel, [=](Index begin, Index end) {
    for (Index task = begin; task < end; ++task) {
      const Index first = task % tiles * kTile;
      const Index width = inner - first < kTile ? inner - first : kTile;
      const T* block = x + task / tiles * extent * inner + first;
      double sums[kTile];
      for (Index j = 0; j < width; ++j) {
        sums[j] = R == Reduction::kMax ? double(block[j]) : 0.0;
      }
      for (Index k = 0; k < extent; ++k) {
        const T* row = block + k * inner;
        for (Index j = 0; j < width; ++j) {
          const double v = double(row[j]);
          if constexpr (R == Reduction::kMax) {
            sums[j] = sums[j] >= v || sums[j] != sums[j] ? sums[j] : v;
          } else {
            sums[j] += R == Reduction::kSumOfSquares ? v * v : v;
          }
        }
      }
      double* to = out + task / tiles * inner + first;
      for (Index j = 0; j < width; ++j) to[j] = sums[j];
    }
  });
}

template <Reduction R, typename T>
void run(const Reduce<T>& a) {
  return a.inner == 1 ? contiguous<R>(a) : columns<R>(a);
}

template <typename T>
void choose(const Reduce<T>& a) {
  switch (a.which) {
    case Reduction::kSum:
      return run<Reduction::kSum>(a);
    case Reduction::kSumOfSquares:
      return run<Reduction::kSumOfSquares>(a);
    case Reduction::kMax:
      return run<Reduction::kMax>(a);
  }
}

template <typename T>
void places(const ArgMax<T>& args) {
  const T* x = args.x;
  std::int64_t* out = args.out;
  const Index extent = args.extent;
  const Index inner = args.inner;
  const bool parallel =
      args.outer * extent * inner * Index{sizeof(T)} >= kParallelBytes;
  parallel_for(args.outer, 1 + kBlock / (extent * inner + 1), parallel,
               [=](Index begin, Index end) {
                 for (Index task = begin * inner; task < end * inner; ++task) {
                   const T* column =
                       x + task / inner * extent * inner + task % inner;
                   Index place = 0;
                   T best = column[0];
                   for (Index k = 1; k < extent && best == best; ++k) {
                     const T v = column[k * inner];
                     if (v > best || v != v) {
                       best = v;
                       place = k;
                     }
                   }
                   out[task] = place;
                 }
               });
}

}  // namespace

void reduce(const Reduce<float>& a) { choose(a); }
void reduce(const Reduce<double>& a) { choose(a); }
void argmax(const ArgMax<float>& a) { places(a); }
void argmax(const ArgMax<double>& a) { places(a); }

}  // namespace strop::cpu::STROP_ISA
