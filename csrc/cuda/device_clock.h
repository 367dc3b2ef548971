#pragma once

#include "kernels/deferred_adam.h"
#include "math/adam_clock.h"

// A clock (step/adam_clock.h has the host's) whose lists are in device memory
// and which the kernels themselves read and put forward: a captured graph goes
// on counting.
//
// While step n is taken other blocks still read what the lists were before it.
// So a coefficient that the step changes is written to the other of two copies,
// which take turns: entry p is in copy (n - base) % 2, at p % (window + 1),
// until the window is over; then it is final and stands in the list for good.

namespace strop::cuda {

template <typename T>
struct DeviceClock {
  ClockRule rule;
  ClockState* state;
  double* steps;         // (kClockSteps + 1, 4), as in AdamHistory
  double* kept;          // (kClockSteps + 1)
  double* wide_centre;   // (kClockSteps + 1)
  T* centre;             // the same, as the other lists of T: rounded once
  T* coefficients;       // (kClockSteps + 1, degree + 1), once they are final
  double* wide_current;  // (2, window + 1, degree + 1), before that
  T* current;
  double* wide_power1;  // (window + 1)
  double* shrink;       // (window + 1): 1 - beta2^(j/2), 0 for AMSGrad
  T* power1;            // (kClockPowers)
  T* power2;

  AdamHistory<T> history() const {
    return {steps,
            coefficients,
            centre,
            kept,
            power1,
            power2,
            as_table_has(rule, rule.beta1),
            as_table_has(rule, rule.beta2),
            0,
            rule.window,
            kClockPowers,
            rule.degree,
            false,
            current,
            state};
  }
};

// The clock in `memory`, which may be null where only `words` is asked for: how
// many doubles it takes.
template <typename T>
DeviceClock<T> device_clock(const ClockRule& rule, void* memory,
                            Index* words = nullptr) {
  auto* next = static_cast<double*>(memory);
  Index taken = 0;
  const auto take = [&](Index count, auto* as) {
    auto* at = reinterpret_cast<decltype(as)>(next + taken);
    taken += (count * Index{sizeof *as} + 15) / 16 * 2;
    return at;
  };
  constexpr Index kEntries = kClockSteps + 1;
  const Index terms = rule.degree + 1, window = rule.window + 1;
  double* const wide = nullptr;
  T* const own = nullptr;
  DeviceClock<T> c{};
  c.rule = rule;
  c.state = take(1, c.state);
  c.steps = take(4 * kEntries, wide);
  c.kept = take(kEntries, wide);
  c.wide_centre = take(kEntries, wide);
  c.centre = take(kEntries, own);
  c.coefficients = take(terms * kEntries, own);
  c.wide_current = take(2 * window * terms, wide);
  c.current = take(2 * window * terms, own);
  c.wide_power1 = take(window, wide);
  c.shrink = take(window, wide);
  c.power1 = take(kClockPowers, own);
  c.power2 = take(kClockPowers, own);
  if (words != nullptr) *words = taken;
  return c;
}

// Starts the clock at step `base`, which the rows of a table, if there is one,
// then hold. The first time its tables are worked out, too.
template <typename T>
struct StartClock {
  DeviceClock<T> clock;
  std::int32_t base;
  bool first;
  std::int32_t* last;  // (rows) or null
  Index rows;
};

void start_clock(const StartClock<float>&, Stream);
void start_clock(const StartClock<double>&, Stream);

}  // namespace strop::cuda
