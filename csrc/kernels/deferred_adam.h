#pragma once

#include "kernels/base.h"
#include "math/adam.h"
#include "math/gradient.h"

namespace strop {

// CUDA: how far a clock is, in device memory. Kernels read it when they run.
struct ClockState {
  std::int32_t base, last;   // steps
  std::int32_t decays;       // whether any of them
  std::uint32_t ticket;      // blocks of a launch that have read the others
  double first[2], root[2];  // corrections of step last + 1, at its place % 2
};

// What the steps since `base` did to a row that had no gradient: one entry per
// step s = base, base + 1, ..., for rows that stand at s. math/deferred_adam.h
// has the formula. Lists of T are rounded once, when the clock goes on, so that
// a row only loads its numbers.
template <typename T>
struct AdamHistory {
  const double* steps;    // (steps, 4): step_size, inv_root_c2, eps, decay of s
  const T* coefficients;  // (steps, degree + 1): C_i of the gap from s
  const T* centre;        // (steps): e*, the centre of the expansion
  const double* kept;  // (steps): product of 1 - decay over the steps up to s
  const T* power1;     // (powers): beta1^k
  const T* power2;     // (powers): beta2^k
  double beta1, beta2;
  std::int32_t base;
  std::int32_t window;  // K: steps after which a moment moves nothing
  std::int32_t powers;
  int degree;  // P
  bool decays;
  // CUDA, whose clock is that of cuda/device_clock.h: coefficients that its
  // next steps change; and, in place of what comes with the call, base, step
  // and decays.
  const T* current = nullptr;
  const ClockState* state = nullptr;
};

// Brings rows from the step they stand at to `step`, as dense steps with zero
// gradients would have done. `gathered` then gets a copy of the parameters.
template <typename T>
struct DeferredAdamCatchUp {
  T* param;  // (V, D), as the moments
  T* moment1;
  T* moment2;
  T* max_moment2;      // or null; a gap leaves it alone
  std::int32_t* last;  // (V): the step that each row holds, `base` to `step`
  Ids rows;            // (R), each once; null data: all V = rows.size
  T* gathered;         // (R, D), or null
  bool peek;           // only `gathered` is written, nothing else changes
  Index width;         // D
  Index stride;        // from row to row of param and of the moments
  std::int32_t step;
  bool scattered;       // the rows are read one here, one there, beyond cache
  double replay_below;  // replay a row while one of its roots is below this
  std::int32_t replay_before;  // and it stands at an earlier step than this
  bool replay_all;             // every row, every step: the dense kernel's bits
  AdamHistory<T> history;
  Index table_rows = 0;  // V; CUDA holds the ids against it
};

namespace cuda {
template <typename T>
struct DeviceClock;
}

// CUDA: the step that a clock in device memory takes, together with the rows.
template <typename T>
struct ClockAdvance {
  const cuda::DeviceClock<T>* clock;
  double learning_rate;
  const double* rate;  // in device memory, in its place; or null
  double weight_decay;
};

// The same, and then the next step with the gradient of the rows. A `peek` at
// these very rows has their parameters already: given as `caught_up` they are
// not worked out again, and the bits are the same.
template <typename T>
struct DeferredAdamStep {
  DeferredAdamCatchUp<T> table;  // nothing is gathered
  const T* caught_up;            // (R, D): the parameters at `step`, or null
  const T* grad;                 // (R, D)
  AdamCoefficients<T> coefficients;
  ClockAdvance<T> advance = {};  // CUDA, in their place
};

#define STROP_DEFERRED_ADAM_KERNELS(X)           \
  X(deferred_adam_catch_up, DeferredAdamCatchUp) \
  X(deferred_adam_step, DeferredAdamStep)

// Adds step n to the coefficients of the steps in its window.
struct DeferredAdamAdvance {
  double* coefficients;  // (place, degree + 1)
  float* narrow;         // the same in float32
  const double* centre;  // (place)
  const double* power1;  // (window + 1): beta1^j
  const double* shrink;  // (window + 1): 1 - beta2^(j/2), 0 for AMSGrad
  const double* terms;   // (window, degree + 1): beta1^j shrink^i, j falling
  double alpha;          // learning_rate c_n / (1 - beta1^n)
  double decay;          // learning_rate * weight_decay of step n
  double eps;            // e_n
  Index place;           // n - base
  Index window;
  int degree;
  bool moving_eps;  // e_n differs from step to step
};

STROP_DECLARE_KERNELS(STROP_DEFERRED_ADAM_KERNELS, STROP_DECLARE)

namespace cpu {
void deferred_adam_advance(const DeferredAdamAdvance&);
}

}  // namespace strop
