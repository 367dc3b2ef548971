#pragma once

#include "cuda/common.cuh"
#include "cuda/device_clock.h"
#include "kernels/deferred_adam.h"

// A clock in device memory, read by every block and put forward by one, in one
// launch: device_clock.h says how they keep out of each other's way.

namespace strop::cuda {

struct Now {
  std::int32_t base, last;
  bool decays;
};

template <typename T>
__device__ __forceinline__ Now now_of(const DeferredAdamCatchUp<T>& a) {
  const ClockState* s = a.history.state;
  return {s->base, s->last, s->decays != 0};
}

// As ClockAdvance of kernels/deferred_adam.h.
template <typename T>
struct Advance {
  DeviceClock<T> clock;
  double learning_rate;
  const double* rate;
  double weight_decay;
};

// What the first thread of a block tells the others.
template <typename T>
struct Told {
  Now now;  // before the step
  AdamCoefficients<T> coefficients;
  ClockStep taken;
};

// The first thread of every block comes here, once. When all have read how far
// the clock is, the last one writes it down.
template <typename T>
__device__ __forceinline__ Told<T> told_by(const Advance<T>& a) {
  ClockState* s = a.clock.state;
  const ClockRule& r = a.clock.rule;
  const Now now{s->base, s->last, s->decays != 0};
  const unsigned copy = unsigned(now.last - now.base + 1) % 2;
  const ClockStep t =
      clock_step(r, {s->first[copy], s->root[copy]},
                 a.rate != nullptr ? *a.rate : a.learning_rate, a.weight_decay);
  __threadfence();
  if (atomicAdd(&s->ticket, 1u) == gridDim.x - 1) {
    __threadfence();
    s->ticket = 0;
    s->last = now.last + 1;
    if (t.decay != 0) s->decays = 1;
  }
  return {now,
          {T(r.beta1), T(1 - r.beta1), T(r.beta2), T(1 - r.beta2),
           T(t.step_size), T(t.inv_root), T(t.eps), T(t.decay)},
          t};
}

// The entry of a step: what it was, and that nothing has been missed since.
template <typename T>
__device__ __forceinline__ void write_entry(const DeviceClock<T>& c,
                                            Index place, std::int32_t base,
                                            const ClockStep& t, double kept) {
  const ClockRule& r = c.rule;
  const Index step = base + place;
  c.steps[4 * place] = t.step_size;
  c.steps[4 * place + 1] = t.inv_root;
  c.steps[4 * place + 2] = t.eps;
  c.steps[4 * place + 3] = t.decay;
  c.kept[place] = kept;
  c.wide_centre[place] = centre_of(r, step);
  c.centre[place] = T(c.wide_centre[place]);
  const Index slots = r.window + 1, count = r.degree + 1;
  const Index at = (place % 2 * slots + place % slots) * count;
  for (Index i = at; i < at + count; ++i) c.wide_current[i] = c.current[i] = 0;
  const Corrections next = corrections_of(r, step + 1);
  c.state->first[(place + 1) % 2] = next.first;
  c.state->root[(place + 1) % 2] = next.root;
}

// One block: the step joins the lists, and its term the coefficients of every
// step in its window.
template <int P, typename T>
__device__ __forceinline__ void go_on(const DeviceClock<T>& c, const Now& now,
                                      const ClockStep& t) {
  const ClockRule& r = c.rule;
  const Index place = Index{now.last} - now.base + 1;
  if (place > kClockSteps) return;  // rows are refused from here on
  const int count = r.degree + 1;
  const Index slots = r.window + 1;
  const Index live = place < r.window ? place : Index{r.window};
  const bool moving = moving_eps(r);
  for (Index j = 1 + threadIdx.x; j <= live; j += kBlock) {
    const Index entry = place - j;
    const Index slot = entry % slots * count;
    const double* before = c.wide_current + (place - 1) % 2 * slots * count;
    double* after = c.wide_current + place % 2 * slots * count;
    T* current = c.current + place % 2 * slots * count;
    double terms[P + 1];
    if (moving) {
      expansion<P>(c.shrink[j], 1 - t.added_eps / c.wide_centre[entry],
                   r.degree, terms);
    } else {
      terms[0] = c.wide_power1[j];
#pragma unroll
      for (int i = 1; i <= P; ++i) terms[i] = terms[i - 1] * c.shrink[j];
    }
    const double weight = moving ? t.alpha * c.wide_power1[j] : t.alpha;
#pragma unroll
    for (int i = 0; i <= P; ++i) {
      if (i >= count) break;
      const double x =
          coefficient_after(before[slot + i], weight, terms[i], t.decay);
      after[slot + i] = x;
      current[slot + i] = T(x);
      if (j == r.window) c.coefficients[entry * count + i] = T(x);
    }
  }
  if (threadIdx.x == 0) {
    const double kept = c.kept[place - 1] * (1 - t.decay);
    write_entry(c, place, now.base, t, kept);
  }
}

}  // namespace strop::cuda
