// The start of a clock in device memory. Everything that it lists is worked out
// there: nothing is copied from the host.

#include "cuda/adam_clock.cuh"
#include "kernels/deferred_adam.h"

namespace strop::cuda {
namespace {

constexpr Index kPerThread = 16;

template <typename T>
__device__ __forceinline__ void list_powers(const DeviceClock<T>& c) {
  const ClockRule& r = c.rule;
  const double beta1 = as_table_has(r, r.beta1);
  const double beta2 = as_table_has(r, r.beta2);
  for (Index j = threadIdx.x; j < kClockPowers; j += kBlock) {
    const double power1 = power(beta1, j);
    c.power1[j] = T(power1);
    c.power2[j] = T(power(beta2, j));
    if (j > r.window) continue;
    c.wide_power1[j] = power1;
    c.shrink[j] = shrink_of(r, j);
  }
}

// Block 0 is the clock's, the others mark the rows.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    start(const __grid_constant__ StartClock<T> a) {
  if (blockIdx.x > 0) {
    const Index begin = Index{blockIdx.x - 1} * kBlock * kPerThread;
    for (Index k = 0; k < kPerThread; ++k) {
      const Index row = begin + k * kBlock + threadIdx.x;
      if (row < a.rows) a.last[row] = a.base;
    }
    return;
  }
  if (a.first) list_powers(a.clock);
  if (threadIdx.x != 0) return;
  ClockState* s = a.clock.state;
  s->base = s->last = a.base;
  s->decays = 0;
  s->ticket = 0;
  write_entry(a.clock, 0, a.base, {0, 1, 0, 0, 0, 0}, 1.0);
}

template <typename T>
void run(const StartClock<T>& a, Stream stream) {
  const Index rows = a.last != nullptr ? a.rows : 0;
  launch("AdamClock", start<T>, 1 + blocks_for(rows, kBlock * kPerThread),
         kBlock, stream, a);
}

}  // namespace

void start_clock(const StartClock<float>& a, Stream s) { run(a, s); }
void start_clock(const StartClock<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
