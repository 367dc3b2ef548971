#pragma once

#include "cuda/matmul.cuh"
#include "kernels/matmul.h"

// Products with few columns, row by row: the weights lie in shared memory, the
// rows pass through registers. Bound by reading x and writing out once, or by
// the launch. An element is one FMA per term, in order.

namespace strop::cuda {

constexpr Index kSkinny = 128;  // columns at most, and terms
constexpr int kRowsEach = 2;    // of a thread, for each read of the weights

// 32 KB, so that two blocks and more share a multiprocessor.
template <typename T>
constexpr Index kRoom = 32768 / Index{sizeof(T)};

template <typename T>
constexpr Index whole_packs(Index n) {
  return blocks_for(n, Pack<T>::kSize) * Pack<T>::kSize;
}

// out = activation(dz w + bias), where dz is x, or x times the slope at y.
template <typename T>
struct RowProduct {
  const T* x;  // (M, K)
  const T* y;  // (M, K) or null
  const T* w;  // (K, N), or (N, K)
  bool w_transposed;
  const T* bias;  // (N) or null
  T* out;         // (M, N)
  Index m, n, k;
  Activation slope, activation;
  bool x_is_wide, out_is_wide;
  Index slab;  // columns of a block, whole packs
  Index slabs;
};

template <typename T>
Index slab_of(Index n, Index k) {
  constexpr Index kSize = Pack<T>::kSize;
  const Index most = kRoom<T> / max(kSize, whole_packs<T>(k));
  return max(kSize, min(whole_packs<T>(n), most / kSize * kSize));
}

template <typename T>
Index rows_of(const RowProduct<T>& p) {
  return kRowsEach * (Index{kBlock} / (p.slab / Pack<T>::kSize));
}

template <typename T>
Index blocks_of(const RowProduct<T>& p) {
  return blocks_for(p.m, rows_of(p)) * p.slabs;
}

// The weights of columns from j0 on, zeros where there are none, so that packs
// of terms and of columns are whole.
template <typename T>
__device__ __forceinline__ void load_weights(const RowProduct<T>& p, Index j0,
                                             T* room) {
  constexpr Index kSize = Pack<T>::kSize;
  const Index terms = (p.k + kSize - 1) / kSize * kSize;
  const Index minor = p.w_transposed ? terms : p.slab;
  for (Index i = threadIdx.x; i < terms * p.slab; i += kBlock) {
    const Place at = place_of(i, minor);
    const Index k = p.w_transposed ? at.column : at.row;
    const Index j = p.w_transposed ? at.row : at.column;
    const bool inside = k < p.k && j0 + j < p.n;
    const Index from = p.w_transposed ? (j0 + j) * p.k + k : k * p.n + j0 + j;
    room[k * p.slab + j] = inside ? p.w[from] : T(0);
  }
}

// Block `block` of the grid that blocks_of counts; `room` is of kRoom elements.
// Only gradients have slopes, only the forward pass a bias and an activation.
template <bool kBackward, typename T>
__device__ __forceinline__ void multiply_rows(const RowProduct<T>& p,
                                              Index block, T* room) {
  constexpr int kSize = int(Pack<T>::kSize);
  const Place at = place_of(block, p.slabs);
  const Index j0 = at.column * p.slab;
  load_weights(p, j0, room);
  __syncthreads();
  const unsigned packs = unsigned(p.slab) / kSize;
  const unsigned rows = kBlock / packs;  // at once
  const Index column = threadIdx.x % packs * kSize;
  const Index first = at.row * kRowsEach * rows + threadIdx.x / packs;
  if (threadIdx.x / packs >= rows || j0 + column >= p.n) return;

  T sums[kRowsEach][kSize] = {};
#pragma unroll 2
  for (Index k = 0; k < p.k; k += kSize) {
    Pack<T> x[kRowsEach];
#pragma unroll
    for (int r = 0; r < kRowsEach; ++r) {
      const Index row = first + r * Index{rows};
      const bool inside = row < p.m;
      const Index from = inside ? row * p.k : 0;
      const Index end = inside ? p.k : 0;
      x[r] = load(p.x + from, k, end, p.x_is_wide);
      if (kBackward && p.y != nullptr) {
        const Pack<T> y = load(p.y + from, k, end, p.x_is_wide);
#pragma unroll
        for (int v = 0; v < kSize; ++v) {
          x[r].v[v] = with_slope(p.slope, x[r].v[v], y.v[v]);
        }
      }
    }
#pragma unroll
    for (int step = 0; step < kSize; ++step) {
      const Pack<T> w = load(room + (k + step) * p.slab, column, p.slab, true);
#pragma unroll
      for (int r = 0; r < kRowsEach; ++r) {
#pragma unroll
        for (int v = 0; v < kSize; ++v) {
          sums[r][v] = multiply_add(x[r].v[step], w.v[v], sums[r][v]);
        }
      }
    }
  }
  const bool biased = !kBackward && p.bias != nullptr;
  const Pack<T> bias = load(p.bias, j0 + column, biased ? p.n : 0, false);
#pragma unroll
  for (int r = 0; r < kRowsEach; ++r) {
    const Index row = first + r * Index{rows};
    if (row >= p.m) continue;
    Pack<T> z;
#pragma unroll
    for (int v = 0; v < kSize; ++v) {
      z.v[v] = sums[r][v] + bias.v[v];
      if (!kBackward) z.v[v] = activated(p.activation, z.v[v]);
    }
    store(p.out + row * p.n, j0 + column, p.n, p.out_is_wide, z);
  }
}

}  // namespace strop::cuda
