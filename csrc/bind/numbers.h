#pragma once

#include "bind/backend.h"

// The numbers of an optimizer step as the user gives them: Python numbers, or
// on CUDA arrays without axes, which the kernels read when they run.

namespace strop::bind {

template <typename N>
struct StepNumber {
  Number<N> number;
  Array array{};  // no object: a Python number
};

// Numbers in device memory. False for what is no array of a GPU; an array of
// the host, or on the CPU one of a GPU, is a TypeError.
bool read_numbers(const char* op, const char* name, py::handle object,
                  DType dtype, int ndim, Array& a);

// TypeError for what is no number and no such array, ValueError for its shape.
StepNumber<double> real_number(const char* op, const char* name,
                               py::handle object);
StepNumber<std::int64_t> whole_number(const char* op, const char* name,
                                      py::handle object);

void check_at_least_0(const char* op, const char* name, double value);
void check_first_step(const char* op, Index step);

// learning_rate, step and grad_scale of one step; what a rule has not is 0.
struct StepNumbers {
  StepNumber<double> learning_rate;
  StepNumber<std::int64_t> step{};
  StepNumber<double> grad_scale;

  // 0 where the device has it; a scale of 0 asks for the same form of the
  // gradient as any other but 1.
  double rate() const { return learning_rate.number.value; }
  double scale() const { return grad_scale.number.value; }
  bool on_device() const {
    return learning_rate.array.object || step.array.object ||
           grad_scale.array.object;
  }
  void add_to(Queue& queue) const {
    for (const Array* a :
         {&learning_rate.array, &step.array, &grad_scale.array}) {
      queue.add(*a);
    }
  }
};

inline StepNumbers numbers_of(const char* op, py::handle learning_rate,
                              py::handle grad_scale) {
  return {real_number(op, "learning_rate", learning_rate),
          {},
          real_number(op, "grad_scale", grad_scale)};
}

// The same with the step's number, 1 or more where the host knows it.
StepNumbers numbers_of(const char* op, py::handle learning_rate,
                       py::handle step, py::handle grad_scale);

// What CUDA makes coefficients from; `room` is taken where it has to.
template <typename Rule>
DeviceNumbers<Rule> device_numbers(const StepNumbers& n, const Rule& rule,
                                   double l2, Doubles& room) {
  if (!n.on_device()) return {};
  room = Doubles(kNumbersRoom);
  return {rule,
          n.learning_rate.number,
          n.step.number,
          n.grad_scale.number,
          l2,
          room.data()};
}

}  // namespace strop::bind
