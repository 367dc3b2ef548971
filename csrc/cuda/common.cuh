#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/base.h"

// What the kernels share: launches, loads of 16 bytes, sums in a fixed order.
//
// A launcher allocates nothing and waits for nothing, so that it may be
// captured in a graph; memory comes with its arguments. Where a sum is formed
// its split points are constants: the bits depend neither on the grid nor on
// the device. Kernels see shared memory through STROP_SHARED alone, which the
// tests without a GPU replace (tests/simt).

#ifndef STROP_SHARED
#define STROP_SHARED(Type, name, size) __shared__ Type name[size]
// All that the launch gives.
#define STROP_DYNAMIC_SHARED(Type, name)  \
  extern __shared__ uint4 strop_shared[]; \
  Type* const name = reinterpret_cast<Type*>(strop_shared)
#endif

namespace strop::cuda {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kBlock = 256;  // threads
inline constexpr unsigned kAll = 0xffffffffu;

// ---- launches --------------------------------------------------------------

inline void check(const char* op, cudaError_t error) {
  if (error == cudaSuccess) return;
  throw std::runtime_error(std::string(op) + ": CUDA says " +
                           cudaGetErrorString(error));
}

inline cudaStream_t handle_of(Stream stream) {
  return reinterpret_cast<cudaStream_t>(stream.handle);
}

__host__ __device__ __forceinline__ Index blocks_for(Index n, Index each) {
  return (n + each - 1) / each;
}

// The shared memory that a block may have on this device.
inline Index most_shared(const char* op) {
  int device = 0, bytes = 0;
  check(op, cudaGetDevice(&device));
  check(op, cudaDeviceGetAttribute(
                &bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return bytes;
}

// With so many bytes of shared memory for each block, beside what the kernel
// declares. An empty grid is an error to CUDA and nothing to do here.
template <typename... P, typename... A>
void launch_with(const char* op, void (*kernel)(P...), Index blocks,
                 unsigned threads, std::size_t shared, Stream stream,
                 const A&... args) {
  constexpr std::size_t kUnasked = 48 * 1024;
  if (blocks == 0) return;
  if (blocks > 0x7fffffff) {
    throw std::runtime_error(std::string(op) + ": more than 2^31 - 1 blocks");
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned(blocks), 1, 1);
  config.blockDim = dim3(threads, 1, 1);
  config.dynamicSmemBytes = shared;
  config.stream = handle_of(stream);
  if (shared > kUnasked - 1024) {
    check(op, cudaFuncSetAttribute(kernel,
                                   cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   int(shared)));
  }
  check(op, cudaLaunchKernelEx(&config, kernel, P(args)...));
}

template <typename... P, typename... A>
void launch(const char* op, void (*kernel)(P...), Index blocks,
            unsigned threads, Stream stream, const A&... args) {
  launch_with(op, kernel, blocks, threads, 0, stream, args...);
}

inline void clear(const char* op, void* data, std::size_t bytes,
                  Stream stream) {
  check(op, cudaMemsetAsync(data, 0, bytes, handle_of(stream)));
}

// ---- 16 bytes --------------------------------------------------------------

template <typename T>
struct Wide;
template <>
struct Wide<float> {
  using Type = float4;
};
template <>
struct Wide<double> {
  using Type = double2;
};
template <>
struct Wide<std::uint16_t> {
  using Type = uint4;
};

// As many elements as one load or store takes.
template <typename T>
struct Pack {
  static constexpr Index kSize = 16 / Index{sizeof(T)};
  alignas(16) T v[kSize];
};

// Whether pointers may be read 16 bytes at a time; null ones do not count.
template <typename... T>
bool wide(const T*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

// Elements [i, i + kSize) of n; those past the end are 0.
template <typename T>
__device__ __forceinline__ Pack<T> load(const T* x, Index i, Index n,
                                        bool is_wide) {
  Pack<T> p;
  if (is_wide && i + Pack<T>::kSize <= n) {
    using W = typename Wide<T>::Type;
    *reinterpret_cast<W*>(p.v) = *reinterpret_cast<const W*>(x + i);
  } else {
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      p.v[k] = i + k < n ? x[i + k] : T(0);
    }
  }
  return p;
}

// The same for what is read once: it leaves the caches to others.
template <typename T>
__device__ __forceinline__ Pack<T> load_once(const T* x, Index i, Index n,
                                             bool is_wide) {
  if (!is_wide || i + Pack<T>::kSize > n) return load(x, i, n, false);
  using W = typename Wide<T>::Type;
  Pack<T> p;
  *reinterpret_cast<W*>(p.v) = __ldcs(reinterpret_cast<const W*>(x + i));
  return p;
}

template <typename T>
__device__ __forceinline__ void store(T* x, Index i, Index n, bool is_wide,
                                      const Pack<T>& p) {
  if (is_wide && i + Pack<T>::kSize <= n) {
    using W = typename Wide<T>::Type;
    *reinterpret_cast<W*>(x + i) = *reinterpret_cast<const W*>(p.v);
  } else {
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      if (i + k < n) x[i + k] = p.v[k];
    }
  }
}

// The same by the intrinsic, for kernels where the compiler makes four stores
// of a plain one of 16 bytes. It takes registers elsewhere.
template <typename T>
__device__ __forceinline__ void put(T* x, Index i, Index n, bool is_wide,
                                    const Pack<T>& p) {
  using W = typename Wide<T>::Type;
  if (!is_wide || i + Pack<T>::kSize > n) return store(x, i, n, false, p);
  __stwb(reinterpret_cast<W*>(x + i), *reinterpret_cast<const W*>(p.v));
}

// ---- places ----------------------------------------------------------------

// Element i of an array of rows. A division of 64 bits is a call of about 80
// instructions, which would bound a kernel that moves 16 bytes; of 32 bits, 20.
struct Place {
  Index row, column;
};

__device__ __forceinline__ Place place_of(Index i, Index width) {
  if (((i | width) >> 32) == 0) {
    const unsigned row = unsigned(i) / unsigned(width);
    return {Index{row}, Index{unsigned(i) - row * unsigned(width)}};
  }
  return {i / width, i % width};
}

// ---- ids -------------------------------------------------------------------

__device__ __forceinline__ Index id_of(const Ids& ids, Index i) {
  return ids.wide ? Index{static_cast<const std::int64_t*>(ids.data)[i]}
                  : Index{static_cast<const std::int32_t*>(ids.data)[i]};
}

// Keeps the place of the first bad id of a stream.
__device__ __forceinline__ void report(std::uint64_t* fault, Index place) {
  if (fault == nullptr) return;
  atomicMax(reinterpret_cast<unsigned long long*>(fault),
            ~static_cast<unsigned long long>(place));
}

// Whether a row of a list is in the table. If not its place is kept, unless it
// says that there is no row.
__device__ __forceinline__ bool row_inside(Index row, Index rows, Index place,
                                           std::uint64_t* fault) {
  if (row >= 0 && row < rows) return true;
  if (row != kNoRow) report(fault, place);
  return false;
}

// ---- sums ------------------------------------------------------------------

struct Plus {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

// NaN on either side comes out.
struct Greater {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    const T more = a >= b ? a : b;
    return a != a ? a : more;
  }
};

// A tree over the lanes of a warp; every lane gets the result.
template <typename T, typename F>
__device__ __forceinline__ T over_warp(T x, const F& join) {
#pragma unroll
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    x = join(x, __shfl_xor_sync(kAll, x, step));
  }
  return x;
}

// The same over a block, through `room` for one value per warp, which may be
// used again afterwards.
template <unsigned kThreads = kBlock, typename T, typename F>
__device__ __forceinline__ T over_block(T x, T* room, const F& join) {
  constexpr unsigned kWarps = kThreads / kWarp;
  x = over_warp(x, join);
  if (threadIdx.x % kWarp == 0) room[threadIdx.x / kWarp] = x;
  __syncthreads();
  T result = room[kWarps > 8 ? threadIdx.x % kWarps : 0];
  if constexpr (kWarps > 8) {
#pragma unroll
    for (unsigned step = kWarps / 2; step > 0; step /= 2) {
      result = join(result, __shfl_xor_sync(kAll, result, step));
    }
  } else {
#pragma unroll
    for (unsigned w = 1; w < kWarps; ++w) result = join(result, room[w]);
  }
  __syncthreads();
  return result;
}

// True, for the whole block, in the last one of the grid to come here. It then
// sees what the others wrote before. `ticket` is 0 before the launch.
__device__ __forceinline__ bool last_block(unsigned* ticket) {
  STROP_SHARED(unsigned, last, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last[0] = atomicAdd(ticket, 1u) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  return last[0] != 0;
}

// The sum of n partial sums in an order that n alone settles.
template <unsigned kThreads = kBlock>
__device__ __forceinline__ double add_parts(const double* parts, Index n,
                                            double* room) {
  double sum = 0;
  for (Index i = threadIdx.x; i < n; i += kThreads) sum += __ldcg(parts + i);
  return over_block<kThreads>(sum, room, Plus{});
}

}  // namespace strop::cuda
