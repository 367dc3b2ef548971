#pragma once

#include "bind/backend.h"
#include "bind/optimizer.h"
#include "step/table.h"

#if STROP_CUDA
#include "cuda/device_clock.h"
#include "kernels/deferred_adam.h"
#endif

// The clock of deferred tables, which Python knows as AdamClock: the host's of
// step/adam_clock.h, or one in device memory.

namespace strop::bind {

#if STROP_CUDA

// Kernels read the clock and put it forward; what the host knows of it, it has
// counted itself.
class DeviceClock {
 public:
  DeviceClock(const AdamRule& rule, bool amsgrad, int degree, int window)
      : rule_(rule),
        numbers_(step::clock_rule(rule, amsgrad, degree, window)) {}

  void use_float32();
  // `last`, if it is an array, says of each row of a table that it holds the
  // step `base`.
  void restart(std::int32_t base, const Array& last);
  void advance(double learning_rate, double weight_decay);

  // The clock for a call on arrays of T: its memory takes part in the call.
  template <typename T>
  cuda::DeviceClock<T> use(const char* op, Queue& queue) {
    require_float_of(op, sizeof(T) == 4);
    make(op, queue);
    return on_device<T>();
  }
  template <typename T>
  AdamHistory<T> history() const {
    return on_device<T>().history();
  }

  // Steps that kernels have taken, or will have; `kept` is the product of
  // 1 - decay over them.
  void count(std::int32_t steps, double kept);
  void count_step(double learning_rate, double weight_decay);
  bool full() const { return room() == 0; }
  Index room() const;

  std::int32_t base() const { return base_; }
  std::int32_t last() const { return last_; }
  int degree() const { return numbers_.degree; }
  int window() const { return numbers_.window; }
  bool amsgrad() const { return numbers_.amsgrad; }
  const AdamRule& rule() const { return rule_; }
  bool moving_eps() const { return strop::moving_eps(numbers_); }
  std::vector<double> coefficients(std::int32_t step) const;

 private:
  void require_float_of(const char* op, bool narrow) const;
  void make(const char* op, Queue& queue);
  void start(std::int32_t base, bool first, const Array& last,
             const Queue& queue);
  template <typename T>
  cuda::DeviceClock<T> on_device() const {
    return cuda::device_clock<T>(numbers_, memory_address_);
  }
  template <typename T>
  std::vector<double> coefficients_in(void* copy, std::int32_t step) const;

  AdamRule rule_;
  ClockRule numbers_;
  py::object memory_;  // an array, from the first use on
  void* memory_address_ = nullptr;
  std::int32_t base_ = 0, last_ = 0;
  double kept_ = 1;
  bool decays_ = false;
};

using Clock = DeviceClock;

// A kernel's call on a table of T will use the clock.
template <typename T>
cuda::DeviceClock<T> use_clock(const char* op, Clock& clock, Queue& queue) {
  return clock.use<T>(op, queue);
}

// The step has been taken on the table; now it is the clock's turn.
inline void took_step(Clock& clock, double learning_rate, double weight_decay) {
  clock.count_step(learning_rate, weight_decay);  // the kernel has done it
}

#else

using Clock = step::AdamClock;

template <typename T>
bool use_clock(const char*, Clock&, Queue&) {
  return true;
}
inline void took_step(Clock& clock, double learning_rate, double weight_decay) {
  clock.advance(learning_rate, weight_decay);
}

#endif

// TypeError for what is none of this module's.
Clock& clock_of(const char* op, py::handle object);

}  // namespace strop::bind
