// Sums, maxima and their places along one axis of (outer, extent, inner). Bound
// by reading x once. A run of elements is summed in 16 lanes over blocks of
// 4,096, the block sums in double, so the error grows with the logarithm of the
// block; columns are summed four rows at a time, those sums in double.

#include "kernels/reduction.h"

#include "cpu/parallel.h"
#include "cpu/reduction_columns.h"
#include "cpu/rows.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kBlock = 4096;

// The sum of n elements: blocks in lanes, a binary tree over the blocks.
template <bool kSquares, typename T>
__attribute__((noinline)) double block_sum(const T* x, Index n) {
  if (n <= kBlock) return lane_sum<kSquares>(x, n);
  const Index blocks = (n + kBlock - 1) / kBlock;
  const Index half = (blocks / 2) * kBlock;
  return block_sum<kSquares>(x, half) + block_sum<kSquares>(x + half, n - half);
}

// About 20 GB/s, and 3 ns for each result.
template <typename T>
Index nanoseconds(Index outer, Index extent, Index inner) {
  return outer * (3 + extent * inner * Index{sizeof(T)} / 20);
}

// One long run on several threads: the tree of block_sum cut at its upper
// levels, so that the bits stay.
template <bool kSquares, typename T>
double shared_sum(const T* x, Index n) {
  constexpr int kLeaves = 16;
  Index bounds[kLeaves + 1];
  bounds[0] = 0;
  bounds[kLeaves] = n;
  for (int width = kLeaves; width > 1; width /= 2) {
    for (int i = 0; i < kLeaves; i += width) {
      const Index blocks =
          (bounds[i + width] - bounds[i] + kBlock - 1) / kBlock;
      bounds[i + width / 2] = bounds[i] + blocks / 2 * kBlock;
    }
  }
  double sums[kLeaves];
  const Index* cuts = bounds;
  double* to = sums;
  parallel_for(
      kLeaves, 1, nanoseconds<T>(1, n, 1), [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
          to[i] = block_sum<kSquares>(x + cuts[i], cuts[i + 1] - cuts[i]);
        }
      });
  for (int step = 1; step < kLeaves; step *= 2) {
    for (int i = 0; i < kLeaves; i += 2 * step) sums[i] += sums[i + step];
  }
  return sums[0];
}

template <Reduction R, typename T>
void contiguous(const Reduce<T>& args) {
  const T* x = args.x;
  double* out = args.out;
  const Index extent = args.extent;
  constexpr bool kSquares = R == Reduction::kSumOfSquares;
  if (R != Reduction::kMax && extent >= 64 * kBlock) {
    for (Index i = 0; i < args.outer; ++i) {
      out[i] = shared_sum<kSquares>(x + i * extent, extent);
    }
    return;
  }
  parallel_for(args.outer, 1 + kBlock / (extent + 1),
               nanoseconds<T>(args.outer, extent, 1),
               [=](Index begin, Index end) {
                 for (Index i = begin; i < end; ++i) {
                   const T* row = x + i * extent;
                   if constexpr (R == Reduction::kMax) {
                     out[i] = double(greatest(row, extent));
                   } else {
                     out[i] = block_sum<kSquares>(row, extent);
                   }
                 }
               });
}

template <Reduction R, typename T>
void columns(const Reduce<T>& args) {
  const Reduce<T> a = args;
  if (a.inner == 0) return;
  const Index tiles = (a.inner + kTile - 1) / kTile;
  parallel_for(a.outer * tiles, 1 + kBlock / (a.extent * a.inner / tiles + 1),
               nanoseconds<T>(a.outer, a.extent, a.inner),
               [=](Index begin, Index end) {
                 for (Index task = begin; task < end; ++task) {
                   reduce_columns<R>(a, task / tiles, task % tiles * kTile);
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

// The greatest of each block, then its place in the first block that has it.
template <typename T>
Index place_of_greatest(const T* x, Index n) {
  Index first = 0;
  T best = greatest(x, n < kBlock ? n : kBlock);
  for (Index i = kBlock; i < n && best == best; i += kBlock) {
    const T top = greatest(x + i, n - i < kBlock ? n - i : kBlock);
    if (top > best || top != top) {
      best = top;
      first = i;
    }
  }
  return first + place_of(x + first, n - first, best);
}

template <typename T>
void places(const ArgMax<T>& args) {
  const ArgMax<T> a = args;
  if (a.inner == 0) return;
  const Index tiles = (a.inner + kPlaceTile - 1) / kPlaceTile;
  parallel_for(a.outer * tiles, 1 + kBlock / (a.extent * a.inner / tiles + 1),
               2 * nanoseconds<T>(a.outer, a.extent, a.inner),
               [=](Index begin, Index end) {
                 for (Index task = begin; task < end; ++task) {
                   if (a.inner == 1) {
                     a.out[task] =
                         place_of_greatest(a.x + task * a.extent, a.extent);
                   } else {
                     place_columns(a, task / tiles, task % tiles * kPlaceTile);
                   }
                 }
               });
}

}  // namespace

void reduce(const Reduce<float>& a) { choose(a); }
void reduce(const Reduce<double>& a) { choose(a); }
void argmax(const ArgMax<float>& a) { places(a); }
void argmax(const ArgMax<double>& a) { places(a); }

}  // namespace strop::cpu::STROP_ISA
