#pragma once

#include "cuda/common.cuh"

// A row of logits and the threads that share it: a warp for rows of up to
// kWarpClasses, else a block. Column c belongs to thread c mod count.

namespace strop::cuda {

inline constexpr Index kWarpClasses = 1024;

struct WarpRow {
  static constexpr unsigned kThreads = kWarp;
  static constexpr Index kRows = kBlock / kWarp;  // of a block
  template <typename T, typename F>
  __device__ __forceinline__ T over(T x, T*, const F& join) const {
    return over_warp(x, join);
  }
  // Writes of the row's threads are seen by the others from here on.
  __device__ __forceinline__ void sync() const { __syncwarp(); }
};

struct BlockRow {
  static constexpr unsigned kThreads = kBlock;
  static constexpr Index kRows = 1;
  template <typename T, typename F>
  __device__ __forceinline__ T over(T x, T* room, const F& join) const {
    return over_block(x, room, join);
  }
  __device__ __forceinline__ void sync() const { __syncthreads(); }
};

// The greater number: what is not one is left out, as the sum shows it.
struct GreaterNumber {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// body(c) for the columns of this thread. Four loads of float are under way at
// a time; with as many of double the cross-entropy would spill.
template <typename Row, typename T, typename F>
__device__ __forceinline__ void for_columns(Index classes, const F& body) {
  [[maybe_unused]] constexpr int kUnroll = sizeof(T) == 4 ? 4 : 1;
#pragma unroll kUnroll
  for (Index c = threadIdx.x % Row::kThreads; c < classes; c += Row::kThreads) {
    body(c);
  }
}

template <typename T>
struct RowSum {
  T top;       // the greatest logit
  double sum;  // of e^(x - top)
};

template <typename Row, typename T>
__device__ __forceinline__ RowSum<T> sum_of(const Row& row, const T* x,
                                            Index classes, double* room,
                                            T* top_room) {
  T top = -INFINITY;
  for_columns<Row, T>(classes,
                      [&](Index c) { top = GreaterNumber{}(x[c], top); });
  top = row.over(top, top_room, GreaterNumber{});
  T sum = 0;
  for_columns<Row, T>(classes,
                      [&](Index c) { sum += exponential_below(x[c] - top); });
  return {top, row.over(double(sum), room, Plus{})};
}

}  // namespace strop::cuda
