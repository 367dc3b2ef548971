// The device under the kernels, the search for an id outside its table, and
// small arrays put together.

#ifndef _WIN32
#include <pthread.h>
#endif

#include "cuda/common.cuh"
#include "cuda/device.h"

namespace strop::cuda {
namespace {

constexpr Index kPerThread = 16;

__global__ void __launch_bounds__(kBlock)
    find_bad(Ids ids, Index rows, std::uint64_t* fault) {
  const Index first = Index{blockIdx.x} * kBlock * kPerThread + threadIdx.x;
  for (Index k = 0; k < kPerThread; ++k) {
    const Index i = first + k * kBlock;
    if (i >= ids.size) return;
    const Index id = id_of(ids, i);
    if (!row_inside(id, rows, i, fault) && id != kNoRow) return;
  }
}

__global__ void __launch_bounds__(kBlock)
    copy_parts(const __grid_constant__ Collected a, Index blocks_each) {
  const Place at = place_of(Index{blockIdx.x}, blocks_each);
  const std::uint32_t* part = a.parts[at.row];
  const Index first = at.column * kBlock * kPerThread + threadIdx.x;
#pragma unroll 4
  for (Index k = 0; k < kPerThread; ++k) {
    const Index i = first + k * kBlock;
    if (i < a.words) a.out[at.row * a.words + i] = part[i];
  }
}

std::string text_of(int version) {
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

// CUDA does not survive a fork: what a child calls fails, each in words of its
// own. Whether this process is one of a parent that had used it.
bool forked = false;

bool is_forked() {
#ifndef _WIN32
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { forked = true; });
  (void)registered;
#endif
  return forked;
}

constexpr const char* kForked =
    "this process was forked from one that had used CUDA; start it by the "
    "method 'spawn'";

}  // namespace

Driver driver() {
  Driver d{};
  cudaRuntimeGetVersion(&d.runtime);
  cudaDriverGetVersion(&d.driver);
  const cudaError_t error = cudaGetDeviceCount(&d.devices);
  if (error != cudaSuccess) {
    d.devices = 0;
    cudaGetLastError();  // or the next launch would report it
  }
  if (cudaGetDevice(&d.current) != cudaSuccess) {
    d.current = -1;
    cudaGetLastError();
  }
  if (d.driver == 0) {
    d.reason = "no driver";
  } else if (is_forked()) {
    d.reason = kForked;
  } else if (error == cudaErrorInsufficientDriver) {
    d.reason = "driver too old: it serves CUDA " + text_of(d.driver) +
               ", this build needs " + text_of(d.runtime);
  } else if (error != cudaSuccess) {
    d.reason = cudaGetErrorString(error);
  } else if (d.devices == 0) {
    d.reason = "no device";
  }
  return d;
}

int device_of(const char* op, const void* pointer) {
  cudaPointerAttributes attributes{};
  check(op, cudaPointerGetAttributes(&attributes, pointer));
  const bool there = attributes.type == cudaMemoryTypeDevice ||
                     attributes.type == cudaMemoryTypeManaged;
  return there ? attributes.device : -1;
}

int current_device(const char* op) {
  int device = 0;
  if (is_forked() || cudaGetDevice(&device) != cudaSuccess) {
    cudaGetLastError();
    throw std::runtime_error(std::string(op) +
                             ": CUDA is not available: " + driver().reason);
  }
  return device;
}

void set_device(const char* op, int device) {
  check(op, cudaSetDevice(device));
}

void wait_for(const char* op, Stream stream, std::uintptr_t producer) {
  cudaEvent_t event;
  check(op, cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  cudaError_t error = cudaEventRecord(event, handle_of(Stream{producer}));
  if (error == cudaSuccess) {
    error = cudaStreamWaitEvent(handle_of(stream), event, 0);
  }
  cudaEventDestroy(event);
  check(op, error);
}

void collect(const char* op, const Collected& a, Stream stream) {
  const Index blocks_each = blocks_for(a.words, kBlock * kPerThread);
  launch(op, copy_parts, a.count * blocks_each, kBlock, stream, a, blocks_each);
}

std::uint64_t take_word(const char* op, std::uint64_t* word, Stream stream) {
  std::uint64_t value = 0;
  const cudaStream_t handle = handle_of(stream);
  check(op, cudaMemcpyAsync(&value, word, sizeof value, cudaMemcpyDeviceToHost,
                            handle));
  check(op, cudaMemsetAsync(word, 0, sizeof value, handle));
  check(op, cudaStreamSynchronize(handle));
  return value;
}

Index first_bad_id(const char* op, const Ids& ids, Index rows,
                   std::uint64_t* scratch, Stream stream) {
  clear(op, scratch, sizeof *scratch, stream);
  launch(op, find_bad, blocks_for(ids.size, kBlock * kPerThread), kBlock,
         stream, ids, rows, scratch);
  const std::uint64_t fault = take_word(op, scratch, stream);
  return fault == 0 ? -1 : Index(~fault);
}

Index id_at(const char* op, const Ids& ids, Index place, Stream stream) {
  std::int64_t wide = 0;
  std::int32_t narrow = 0;
  const std::size_t size = ids.wide ? sizeof wide : sizeof narrow;
  void* to = ids.wide ? static_cast<void*>(&wide) : &narrow;
  const auto* from = static_cast<const char*>(ids.data) + place * Index(size);
  check(op, cudaMemcpyAsync(to, from, size, cudaMemcpyDeviceToHost,
                            handle_of(stream)));
  check(op, cudaStreamSynchronize(handle_of(stream)));
  return ids.wide ? wide : narrow;
}

}  // namespace strop::cuda
