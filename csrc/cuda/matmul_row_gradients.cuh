#pragma once

#include "cuda/matmul_rows.cuh"

// All gradients of a layer with few columns and terms, by one launch: some
// blocks work on rows of grad_a, the others on grad_b and grad_bias.

namespace strop::cuda {

template <typename T>
__device__ __forceinline__ unsigned packs_of(Index n) {
  return (unsigned(n) + unsigned(Pack<T>::kSize) - 1) /
         unsigned(Pack<T>::kSize);
}

template <typename T>
struct RowGradients {
  RowProduct<T> a;  // grad_a = dz b^T
  Index blocks_a;
  const T* x;  // (M, K), the forward pass' a
  T* parts;    // (parts, K N + N), or null: one part goes to the results
  T* grad_b;
  T* grad_bias;  // (N) or null
  Index rows;    // of a part
  Index side, tiles_k, tiles_n;
  bool x_is_wide;
};

// grad_b of kSize x kSize elements per thread: as many threads as the tile
// needs make a group, groups take turns at the rows, and their sums are added
// in order. The first row of tiles also sums the columns of dz.
template <typename T>
__device__ __forceinline__ void weights_part(const RowGradients<T>& g,
                                             Index block, T* room) {
  constexpr int kSize = int(Pack<T>::kSize);
  const Index n = g.a.k, k = g.a.n;
  const Place at = place_of(block, g.tiles_k * g.tiles_n);
  const Place tile = place_of(at.column, g.tiles_n);
  const Index k0 = tile.row * g.side, j0 = tile.column * g.side;
  const unsigned wide_k = packs_of<T>(min(g.side, k - k0));
  const unsigned wide_n = packs_of<T>(min(g.side, n - j0));
  const unsigned threads = wide_k * wide_n;
  const unsigned groups = kBlock / threads;
  const unsigned group = threadIdx.x / threads, own = threadIdx.x % threads;
  const Index row = k0 + own / wide_n * kSize;
  const Index column = j0 + own % wide_n * kSize;
  const bool sums_columns = k0 == 0 && own < wide_n;
  const Index end = min(g.a.m, (at.row + 1) * g.rows);

  T sums[kSize][kSize] = {};
  T bias[kSize] = {};
  if (group < groups) {
#pragma unroll 2
    for (Index i = at.row * g.rows + group; i < end; i += groups) {
      const Pack<T> x = load(g.x + i * k, row, k, g.x_is_wide);
      Pack<T> dz = load(g.a.x + i * n, column, n, g.a.x_is_wide);
      if (g.a.y != nullptr) {
        const Pack<T> y = load(g.a.y + i * n, column, n, g.a.x_is_wide);
#pragma unroll
        for (int v = 0; v < kSize; ++v) {
          dz.v[v] = with_slope(g.a.slope, dz.v[v], y.v[v]);
        }
      }
#pragma unroll
      for (int u = 0; u < kSize; ++u) {
#pragma unroll
        for (int v = 0; v < kSize; ++v) {
          sums[u][v] = multiply_add(x.v[u], dz.v[v], sums[u][v]);
        }
      }
      if (sums_columns) {
#pragma unroll
        for (int v = 0; v < kSize; ++v) bias[v] += dz.v[v];
      }
    }
  }
  T* columns = room + kSize * kSize * kBlock;
#pragma unroll
  for (int u = 0; u < kSize; ++u) {
#pragma unroll
    for (int v = 0; v < kSize; ++v) {
      room[(u * kSize + v) * kBlock + threadIdx.x] = sums[u][v];
    }
  }
#pragma unroll
  for (int v = 0; v < kSize; ++v) columns[v * kBlock + threadIdx.x] = bias[v];
  __syncthreads();

  const bool whole = g.parts == nullptr;
  T* to = whole ? g.grad_b : g.parts + at.row * (k + 1) * n;
  // Element e of thread `from`, over the groups.
  const auto total = [&](const T* all, unsigned e, unsigned from) {
    T sum = all[e * kBlock + from];
    for (unsigned r = 1; r < groups; ++r) {
      sum += all[e * kBlock + r * threads + from];
    }
    return sum;
  };
  for (unsigned i = threadIdx.x; i < threads * kSize * kSize; i += kBlock) {
    const unsigned from = i % threads, e = i / threads;
    const Index u = k0 + from / wide_n * kSize + e / kSize;
    const Index v = j0 + from % wide_n * kSize + e % kSize;
    if (u < k && v < n) to[u * n + v] = total(room, e, from);
  }
  if (g.grad_bias == nullptr || k0 != 0) return;
  T* to_bias = whole ? g.grad_bias : to + k * n;
  for (unsigned i = threadIdx.x; i < wide_n * kSize; i += kBlock) {
    const Index v = j0 + i % wide_n * kSize + i / wide_n;
    if (v < n) to_bias[v] = total(columns, i / wide_n, i % wide_n);
  }
}

}  // namespace strop::cuda
