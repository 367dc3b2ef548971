// A clock of deferred tables in device memory, as the host drives it.

#include <cmath>

#include "bind/adam_clock.h"
#include "kernels/deferred_adam.h"

namespace strop::bind {
namespace {

constexpr const char* op = "AdamClock";

// Where the rates of steps are the device's own, each is taken to halve what
// decay has left: a product of 1,000 halves is still far from 0 in double.
constexpr double kHalvings = 1000;

}  // namespace

void DeviceClock::use_float32() {
  numbers_.narrow = true;
  memory_ = py::object();
  base_ = last_ = 0;
}

void DeviceClock::require_float_of(const char* caller, bool narrow) const {
  if (narrow == numbers_.narrow) return;
  raise_value(caller, std::string("clock must be one for ") +
                          (narrow ? "float32 tables; got one for float64, "
                                    "without use_float32()"
                                  : "float64 tables; got one for float32"));
}

void DeviceClock::start(std::int32_t base, bool first, const Array& last,
                        const Queue& queue) {
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    cuda::start_clock(cuda::StartClock<T>{on_device<T>(), base, first,
                                          data<std::int32_t>(last),
                                          last.object ? last.size() : 0},
                      queue.stream());
  };
  numbers_.narrow ? run(float{}) : run(double{});
  base_ = last_ = base;
  kept_ = 1;
  decays_ = false;
}

void DeviceClock::make(const char* caller, Queue& queue) {
  const bool first = !memory_;
  if (first) {
    Index words = 0;
    numbers_.narrow
        ? void(cuda::device_clock<float>(numbers_, nullptr, &words))
        : void(cuda::device_clock<double>(numbers_, nullptr, &words));
    memory_ = new_array({words}, DType::kFloat64);
  }
  const Array memory = borrow(caller, "clock", memory_);
  queue.add(memory);
  memory_address_ = memory.address;
  if (first)
    start(base_, true, borrow_optional(caller, "last", py::none()), queue);
}

void DeviceClock::restart(std::int32_t base, const Array& last) {
  Queue queue(op, last);
  base_ = base;
  make(op, queue);
  start(base, false, last, queue);
}

void DeviceClock::advance(double learning_rate, double weight_decay) {
  Queue queue(op);
  make(op, queue);
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    const cuda::DeviceClock<T> clock = on_device<T>();
    DeferredAdamStep<T> step{};
    step.table.history = clock.history();
    step.advance = {&clock, learning_rate, nullptr, weight_decay};
    cuda::deferred_adam_step(step, queue.stream());
  };
  numbers_.narrow ? run(float{}) : run(double{});
  count_step(learning_rate, weight_decay);
}

void DeviceClock::count(std::int32_t steps, double kept) {
  last_ += steps;
  kept_ *= kept;
  decays_ = decays_ || kept != 1;
}

void DeviceClock::count_step(double learning_rate, double weight_decay) {
  count(1, 1 - as_table_has(numbers_, learning_rate * weight_decay));
}

Index DeviceClock::room() const {
  if (kept_ < step::kLeastKept) return 0;
  const Index most = Index{kClockSteps} - (last_ - base_);
  const Index least = decays_ ? Index(std::log2(kept_) + kHalvings) : most;
  return std::max(Index{0}, std::min(most, least));
}

template <typename T>
std::vector<double> DeviceClock::coefficients_in(void* copy,
                                                 std::int32_t step) const {
  const auto c = cuda::device_clock<T>(numbers_, copy);
  const Index place = step - c.state->base, count = degree() + 1;
  const Index missed = c.state->last - step, slots = window() + 1;
  const Index current = (c.state->last - c.state->base) % 2 * slots;
  const T* first = missed < window()
                       ? c.current + (current + place % slots) * count
                       : c.coefficients + place * count;
  return std::vector<double>(first, first + count);
}

std::vector<double> DeviceClock::coefficients(std::int32_t step) const {
  const py::buffer_info copy = py::buffer(memory_.attr("get")()).request();
  return numbers_.narrow ? coefficients_in<float>(copy.ptr, step)
                         : coefficients_in<double>(copy.ptr, step);
}

}  // namespace strop::bind
