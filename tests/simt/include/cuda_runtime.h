#pragma once

// CUDA's language and runtime for a host compiler, as far as csrc/cuda uses
// them: the unmodified kernels run on the CPU, one fibre per CUDA thread. See
// simt.h for what is checked on the way.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include "capture.h"
#include "simt.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define STROP_SHARED(Type, name, size)   \
  static const char name##_key = 0;      \
  Type* const name = static_cast<Type*>( \
      ::simt::shared_room(&name##_key, sizeof(Type) * (size)))
#define STROP_DYNAMIC_SHARED(Type, name) \
  Type* const name = static_cast<Type*>(::simt::dynamic_room())

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1)
      : x(x), y(y), z(z) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

// Of the fibre that runs; the scheduler sets them.
inline dim3 threadIdx, blockIdx, blockDim, gridDim;

using std::max;
using std::min;
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }

// ---- loads with a hint -----------------------------------------------------

template <typename T>
T __ldg(const T* p) {
  return *p;
}
template <typename T>
T __ldcs(const T* p) {
  return *p;
}
template <typename T>
T __ldcg(const T* p) {
  return *p;
}
template <typename T>
void __stcs(T* p, T value) {
  *p = value;
}
template <typename T>
void __stwb(T* p, T value) {
  *p = value;
}

// ---- barriers, shuffles, votes ---------------------------------------------

inline void __syncthreads() { simt::block_barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  simt::warp_barrier(mask);
}
inline void __threadfence() { simt::fence(); }

template <typename T>
T __shfl_sync(unsigned mask, T value, unsigned lane, int width = 32) {
  const unsigned own = simt::lane();
  const unsigned from = own / width * width + lane % width;
  return simt::exchange(mask, value, from);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, unsigned bits, int width = 32) {
  const unsigned own = simt::lane();
  const unsigned from = own ^ bits;
  const bool inside = from / width <= own / width;
  return simt::exchange(mask, value, inside ? from : own);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned own = simt::lane();
  const unsigned from = own + delta;
  return simt::exchange(mask, value, from / width == own / width ? from : own);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned own = simt::lane();
  const bool inside = own % width >= delta;
  return simt::exchange(mask, value, inside ? own - delta : own);
}
inline unsigned __ballot_sync(unsigned mask, int vote) {
  return simt::gather(mask, vote != 0, [](const auto& all, unsigned which) {
    unsigned bits = 0;
    for (unsigned l = 0; l < 32; ++l) {
      if (which >> l & 1 && all.template at<bool>(l)) bits |= 1u << l;
    }
    return bits;
  });
}
inline int __any_sync(unsigned mask, int vote) {
  return __ballot_sync(mask, vote) != 0;
}
inline int __all_sync(unsigned mask, int vote) {
  return __ballot_sync(mask, vote) == mask;
}
template <typename T>
unsigned __match_any_sync(unsigned mask, T value) {
  return simt::gather(mask, value, [&](const auto& all, unsigned which) {
    unsigned bits = 0;
    for (unsigned l = 0; l < 32; ++l) {
      if (which >> l & 1 && all.template at<T>(l) == value) bits |= 1u << l;
    }
    return bits;
  });
}

// ---- atomics ---------------------------------------------------------------

template <typename T, typename U>
T atomicAdd(T* p, U value) {
  return simt::atomic(p, [&](T old) { return T(old + T(value)); });
}
template <typename T, typename U>
T atomicMax(T* p, U value) {
  return simt::atomic(p, [&](T old) { return std::max(old, T(value)); });
}
template <typename T, typename U>
T atomicMin(T* p, U value) {
  return simt::atomic(p, [&](T old) { return std::min(old, T(value)); });
}
template <typename T, typename U>
T atomicOr(T* p, U value) {
  return simt::atomic(p, [&](T old) { return T(old | T(value)); });
}
template <typename T, typename U>
T atomicExch(T* p, U value) {
  return simt::atomic(p, [&](T) { return T(value); });
}
template <typename T, typename U, typename V>
T atomicCAS(T* p, U expected, V value) {
  return simt::atomic(
      p, [&](T old) { return old == T(expected) ? T(value) : old; });
}

// ---- the runtime -----------------------------------------------------------

enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaMemcpyKind { cudaMemcpyDeviceToHost };
enum { cudaMemoryTypeDevice = 2, cudaMemoryTypeManaged = 3 };
enum { cudaEventDisableTiming = 2 };
using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;

struct cudaPointerAttributes {
  int type, device;
};
struct cudaLaunchAttribute;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

inline const char* cudaGetErrorString(cudaError_t error) {
  return simt::error_text(error);
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
inline cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = simt::kDevices;
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = simt::device;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
  simt::device = device;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = int(simt::most_shared);
  return cudaSuccess;
}
template <typename... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute,
                                 int bytes) {
  const auto* key = reinterpret_cast<const void*>(kernel);
  return simt::ask_for_shared(key, std::size_t(bytes)) ? cudaSuccess
                                                       : cudaErrorInvalidValue;
}
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a,
                                            const void*) {
  *a = {cudaMemoryTypeDevice, 0};
  return cudaSuccess;
}
// There is no cudaMalloc: a launcher that takes memory does not compile here.
inline cudaError_t cudaMemsetAsync(void* p, int value, std::size_t size,
                                   cudaStream_t stream) {
  return simt::submit(stream, "memset of " + std::to_string(size) + " bytes",
                      [=] { std::memset(p, value, size); });
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size,
                                   cudaMemcpyKind, cudaStream_t stream) {
  return simt::submit(stream, "copy of " + std::to_string(size) + " bytes",
                      [=] { std::memcpy(to, from, size); });
}
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };
inline cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) {
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return simt::wait_for_stream(stream);
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  *e = nullptr;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
  return cudaSuccess;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t,
                                       unsigned) {
  return simt::wait_for_event(stream);
}
inline cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }

namespace simt {

inline Size size_of(dim3 d) { return {d.x, d.y, d.z}; }

// The arguments are copied, as CUDA does at the launch.
template <typename... P>
cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 block,
                   std::size_t shared, bool cooperative, void (*kernel)(P...),
                   std::tuple<std::decay_t<P>...> values) {
  if (!may_share(reinterpret_cast<const void*>(kernel), shared)) {
    return cudaErrorInvalidValue;
  }
  const auto run = [=] {
    const std::function<void()> body = [&] { std::apply(kernel, values); };
    dynamic_shared = shared;
    run_grid(size_of(grid), size_of(block), body, cooperative);
  };
  return submit(stream,
                describe(size_of(grid), size_of(block), __PRETTY_FUNCTION__),
                run);
}

template <typename... P, std::size_t... I>
std::tuple<std::decay_t<P>...> values_at(void** args,
                                         std::index_sequence<I...>) {
  return {*static_cast<std::decay_t<P>*>(args[I])...};
}

}  // namespace simt

template <typename... P, typename... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config,
                               void (*kernel)(P...), A&&... args) {
  return simt::launch<P...>(config->stream, config->gridDim, config->blockDim,
                            config->dynamicSmemBytes, false, kernel, {args...});
}
template <typename... P>
cudaError_t cudaLaunchCooperativeKernel(void (*kernel)(P...), dim3 grid,
                                        dim3 block, void** args,
                                        std::size_t shared = 0,
                                        cudaStream_t stream = nullptr) {
  return simt::launch<P...>(
      stream, grid, block, shared, true, kernel,
      simt::values_at<P...>(args, std::index_sequence_for<P...>()));
}
