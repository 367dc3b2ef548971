#pragma once

#include <functional>
#include <utility>

#include "bind/numbers.h"

// How a checked optimizer step runs: at once, or on CUDA, while a Bound is made
// of it, at every call of that.

namespace strop::bind {

#if STROP_CUDA

class Bound {
 public:
  using Launch = std::function<void(const StepNumbers&, Stream)>;

  // `step` calls an op of this module once, with the arrays, which it holds.
  explicit Bound(py::object step);

  // Looks at no array: they are held, and so is their memory.
  void call(py::handle learning_rate, py::handle step, py::handle grad_scale);

  // That which is being made on this thread, or null.
  static Bound*& making();
  void keep(Launch launch, int device);

 private:
  py::object step_;
  Launch launch_;
  int device_ = -1;
};

template <typename Launch>
void run(Queue& queue, const StepNumbers& numbers, Launch&& launch) {
  if (Bound* bound = Bound::making()) {
    bound->keep(std::forward<Launch>(launch), queue.device());
  } else {
    launch(numbers, queue.stream());
  }
}

#else

template <typename Launch>
void run(Queue& queue, const StepNumbers& numbers, Launch&& launch) {
  launch(numbers, queue.stream());
}

#endif

}  // namespace strop::bind
