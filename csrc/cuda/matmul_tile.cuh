#pragma once

#include "cuda/matmul.cuh"
#include "kernels/matmul.h"

// A product of matrices by tiles: a block computes kM x kN elements of the
// result, a thread kOwn x kOwn of them in registers. Operands come through
// shared memory, two buffers of it, kK of the terms at a time; while a buffer
// is worked on, the next terms are on their way. Bound by FMA: 64 of them for
// four reads of 16 bytes from shared memory.
//
// An element is one FMA per term, in order, over a part of K; the parts are
// added in order. Which parts there are is settled by the shape alone, so tiles
// of any size give the same bits.

namespace strop::cuda {

// What a grid of tiles computes: its part z of K goes to `out` behind part z
// - 1.
template <typename T>
struct TiledProduct {
  Operand<T> a, b;
  const T* bias;  // or null
  T* out;         // (parts, M, N)
  Index k, part;  // terms in all, and of a part
  Activation activation;
  bool is_wide;  // out, and bias where there is one
};

template <typename T, int M, int N, int K, int Own>
struct Tile {
  static constexpr int kM = M, kN = N, kK = K, kOwn = Own;
  static constexpr int kSize = int(Pack<T>::kSize);
  static constexpr int kThreadsN = N / Own;
  static_assert(M / Own * kThreadsN == int(kBlock));
  // Rows of shared memory end in a pack that is not used, so that terms that
  // are stored one by one go to different banks.
  static constexpr int kRowM = M + kSize, kRowN = N + kSize;
};

// What a thread brings of a tile of kExtent x kK.
template <typename T, int kExtent, int kK>
struct Brought {
  static constexpr int kSize = int(Pack<T>::kSize);
  static constexpr int kCount = kExtent * kK / kSize / int(kBlock);
  static_assert(kCount * kSize * int(kBlock) == kExtent * kK);
  Pack<T> packs[kCount];

  // Terms [k, k + kK) that are below `end`, of elements from `first` on.
  __device__ __forceinline__ void load(const Operand<T>& x, Index first,
                                       Index k, Index end) {
#pragma unroll
    for (int c = 0; c < kCount; ++c) {
      const int place = c * int(kBlock) + int(threadIdx.x);
      const Index row = x.k_runs ? first + place / (kK / kSize)
                                 : k + place / (kExtent / kSize);
      const Index column = x.k_runs ? k + place % (kK / kSize) * kSize
                                    : first + place % (kExtent / kSize) * kSize;
      const Index rows = x.k_runs ? x.extent : end;
      const Index columns = x.k_runs ? end : x.extent;
      const bool inside = row < rows;
      packs[c] = cuda::load(inside ? x.x + row * x.stride : x.x, column,
                            inside ? columns : Index{0}, x.is_wide);
    }
  }

  template <int kRow>
  __device__ __forceinline__ void store(T* room, bool k_runs) const {
#pragma unroll
    for (int c = 0; c < kCount; ++c) {
      const int place = c * int(kBlock) + int(threadIdx.x);
      if (k_runs) {
        T* to =
            room + place % (kK / kSize) * kSize * kRow + place / (kK / kSize);
#pragma unroll
        for (int i = 0; i < kSize; ++i) to[i * kRow] = packs[c].v[i];
      } else {
        using W = typename Wide<T>::Type;
        *reinterpret_cast<W*>(room + place / (kExtent / kSize) * kRow +
                              place % (kExtent / kSize) * kSize) =
            *reinterpret_cast<const W*>(packs[c].v);
      }
    }
  }
};

// Packs of a thread lie apart, so that those of a warp lie side by side.
template <int kExtent, int kOwn, typename T>
__device__ __forceinline__ void read_packs(const T* row, int thread,
                                           T (&x)[kOwn]) {
  constexpr int kSize = int(Pack<T>::kSize);
#pragma unroll
  for (int p = 0; p < kOwn / kSize; ++p) {
    using W = typename Wide<T>::Type;
    *reinterpret_cast<W*>(x + p * kSize) = *reinterpret_cast<const W*>(
        row + p * (kExtent * kSize / kOwn) + thread * kSize);
  }
}

// Blocks that run at a time share rows of a and columns of b: tiles come in
// groups of this many rows.
constexpr Index kGroup = 8;

template <typename S, typename T>
__global__ void __launch_bounds__(kBlock, 2)
    multiply_tiles(const __grid_constant__ TiledProduct<T> p, Index tiles_m,
                   Index tiles_n) {
  constexpr int kOwn = S::kOwn, kSize = S::kSize;
  alignas(16) STROP_SHARED(T, room_a, 2 * S::kK * S::kRowM);
  alignas(16) STROP_SHARED(T, room_b, 2 * S::kK * S::kRowN);
  const Place at = place_of(Index{blockIdx.x}, tiles_m * tiles_n);
  const Place group = place_of(at.column, kGroup * tiles_n);
  const Index high = min(kGroup, tiles_m - group.row * kGroup);
  const Place inside = place_of(group.column, high);
  const Index i0 = (group.row * kGroup + inside.column) * S::kM;
  const Index j0 = inside.row * S::kN;
  const Index begin = at.row * p.part;
  const Index end = min(p.k, begin + p.part);

  // A warp has 4 x 8 threads, whose packs of b are 128 bytes.
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int thread_n = warp % (S::kThreadsN / 8) * 8 + lane % 8;
  const int thread_m = warp / (S::kThreadsN / 8) * 4 + lane / 8;

  T sums[kOwn][kOwn] = {};
  Brought<T, S::kM, S::kK> from_a;
  Brought<T, S::kN, S::kK> from_b;
  from_a.load(p.a, i0, begin, end);
  from_b.load(p.b, j0, begin, end);
  int buffer = 0;
  for (Index k = begin; k < end; k += S::kK) {
    T* a = room_a + buffer * S::kK * S::kRowM;
    T* b = room_b + buffer * S::kK * S::kRowN;
    from_a.template store<S::kRowM>(a, p.a.k_runs);
    from_b.template store<S::kRowN>(b, p.b.k_runs);
    __syncthreads();
    if (k + S::kK < end) {
      from_a.load(p.a, i0, k + S::kK, end);
      from_b.load(p.b, j0, k + S::kK, end);
    }
// Whole, the loop spills on sm_120.
#pragma unroll 4
    for (int step = 0; step < S::kK; ++step) {
      alignas(16) T left[kOwn];
      alignas(16) T right[kOwn];
      read_packs<S::kM>(a + step * S::kRowM, thread_m, left);
      read_packs<S::kN>(b + step * S::kRowN, thread_n, right);
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
#pragma unroll
        for (int j = 0; j < kOwn; ++j) {
          sums[i][j] = multiply_add(left[i], right[j], sums[i][j]);
        }
      }
    }
    buffer ^= 1;
  }

  const Index n = p.b.extent;
  T* out = p.out + at.row * p.a.extent * n;
  // The columns of a thread's pack, and the row of its element i.
  const auto column = [&](int pack) {
    return j0 + pack * (S::kN * kSize / kOwn) + thread_n * kSize;
  };
  const auto row = [&](int i) {
    return i0 + i / kSize * (S::kM * kSize / kOwn) + thread_m * kSize +
           i % kSize;
  };
#pragma unroll
  for (int pack = 0; pack < kOwn / kSize; ++pack) {
    const Index j = column(pack);
    const Pack<T> bias = load(p.bias, j, p.bias == nullptr ? 0 : n, p.is_wide);
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      Pack<T> z;
#pragma unroll
      for (int v = 0; v < kSize; ++v) {
        z.v[v] = sums[i][pack * kSize + v] + bias.v[v];
        if (p.activation == Activation::kRelu) z.v[v] = rectified(z.v[v]);
      }
      if (row(i) < p.a.extent) store(out + row(i) * n, j, n, p.is_wide, z);
    }
  }
  if (p.activation == Activation::kLinear || p.activation == Activation::kRelu)
    return;
  // What takes a polynomial is done to the thread's own elements in the cache:
  // in registers it would be 64 copies of the code.
#pragma unroll 1
  for (int place = 0; place < kOwn * kOwn / kSize; ++place) {
    const Index i = row(place % kOwn), j = column(place / kOwn);
    if (i >= p.a.extent) continue;
    Pack<T> z = load(out + i * n, j, n, p.is_wide);
#pragma unroll
    for (T& v : z.v) v = activated(p.activation, v);
    store(out + i * n, j, n, p.is_wide, z);
  }
}

}  // namespace strop::cuda
