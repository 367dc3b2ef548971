// Faults planted for the tests of the checks themselves.

#include <cooperative_groups.h>

#include "cuda/common.cuh"
#include "cuda/device.h"
#include "planted.h"

namespace strop::simt_tests {
namespace {

using namespace cuda;

// A sum through shared memory: each thread reads its neighbour's value.
__global__ void neighbours(const float* x, float* out, bool barrier) {
  STROP_SHARED(float, room, kBlock);
  const unsigned t = threadIdx.x;
  room[t] = x[t];
  if (barrier) __syncthreads();
  out[t] = room[t] + room[(t + 1) % kBlock];
}

__global__ void count(unsigned* total, bool atomic) {
  if (atomic) {
    atomicAdd(total, 1u);
  } else {
    *total = *total + 1;
  }
}

// Partial results that the last block adds.
__global__ void total(double* parts, unsigned* ticket, double* out,
                      bool fenced) {
  STROP_SHARED(unsigned, last, 1);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = 1;
    if (fenced) __threadfence();
    last[0] = atomicAdd(ticket, 1u) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (last[0] == 0 || threadIdx.x != 0) return;
  double sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += parts[i];
  *out = sum;
}

__global__ void half_a_barrier() {
  if (threadIdx.x < 40) __syncthreads();
  if (threadIdx.x >= 40) __syncwarp(0xffu);
}

// The second half of a warp comes to no meeting of the whole.
__global__ void lost_barrier() {
  if (threadIdx.x < 32) __syncwarp(threadIdx.x < 16 ? 0xffffu : kAll);
  if (threadIdx.x >= 32) __syncthreads();
}

// Each block hands its number to the next one.
__global__ void ring(unsigned* values, bool barrier) {
  STROP_SHARED(unsigned, own, 1);
  own[0] = blockIdx.x;
  values[blockIdx.x] = own[0];
  if (barrier) cooperative_groups::this_grid().sync();
  const unsigned before = values[(blockIdx.x + gridDim.x - 1) % gridDim.x];
  if (barrier) cooperative_groups::this_grid().sync();
  values[blockIdx.x] = before;
}

__global__ void stranger(float* out) {
  if (threadIdx.x < 16) {
    out[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 20);
  }
}

__global__ void beyond(float* out) {
  STROP_SHARED(float, room, 8);
  if (threadIdx.x < 8) room[threadIdx.x] = 0;
  __syncthreads();
  out[threadIdx.x] = room[threadIdx.x];
}

__global__ void unset(float* out) {
  STROP_SHARED(float, room, 32);
  out[threadIdx.x] = room[threadIdx.x];
}

__global__ void given(float* out) {
  STROP_DYNAMIC_SHARED(float, room);
  out[threadIdx.x] = room[threadIdx.x];
  __syncthreads();
  room[threadIdx.x] = 1;
}

// The race of llm.c's fused classifier: the gradient overwrites the logit that
// another thread still wants for the loss.
__global__ void in_place(float* row, int label, float* own, bool read_first) {
  STROP_SHARED(float, room, kBlock / kWarp);
  float value = 0;
  if (read_first) value = row[label];
  const float top = over_block(row[threadIdx.x], room, Greater{});
  row[threadIdx.x] -= top;
  if (!read_first) value = row[label];
  if (threadIdx.x == 0) *own = value;
}

}  // namespace

void run_neighbours(const float* x, float* out, bool barrier) {
  launch("neighbours", neighbours, 1, kBlock, {}, x, out, barrier);
}
void run_count(unsigned* total, bool atomic) {
  launch("count", count, 3, kBlock, {}, total, atomic);
}
void run_total(double* parts, unsigned* ticket, double* out, bool fenced) {
  launch("total", total, 9, kWarp, {}, parts, ticket, out, fenced);
}
void run_half_a_barrier() {
  launch("half_a_barrier", half_a_barrier, 1, 64, {});
}
void run_lost_barrier() { launch("lost_barrier", lost_barrier, 1, 64, {}); }
void run_ring(unsigned* values, unsigned blocks, bool barrier) {
  void* args[] = {&values, &barrier};
  check("ring", cudaLaunchCooperativeKernel(ring, dim3(blocks), dim3(1), args,
                                            0, nullptr));
}
void run_stranger(float* out) {
  launch("stranger", stranger, 1, kWarp, {}, out);
}
void run_beyond(float* out) { launch("beyond", beyond, 1, kWarp, {}, out); }
void run_unset(float* out) { launch("unset", unset, 1, kWarp, {}, out); }
void run_given(float* out, std::uint64_t bytes) {
  launch_with("given", given, 1, kWarp, bytes, {}, out);
}
void run_in_place(float* row, int label, float* own, bool read_first) {
  launch("in_place", in_place, 1, kBlock, {}, row, label, own, read_first);
}
void run_count_anew(unsigned* total, std::uintptr_t stream, bool waits) {
  const Stream s{stream, nullptr};
  clear("count", total, sizeof *total, s);
  launch("count", count, 3, kBlock, s, total, true);
  if (waits) check("count", cudaStreamSynchronize(handle_of(s)));
}
void wait_for_another(std::uintptr_t stream) {
  cuda::wait_for("wait", Stream{stream, nullptr}, 0);
}

}  // namespace strop::simt_tests
