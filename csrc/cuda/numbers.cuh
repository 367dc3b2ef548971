#pragma once

#include "cuda/common.cuh"
#include "math/adam.h"  // one coefficients_of must be known by name
#include "math/gradient.h"

// The numbers of a step that stand in device memory. One thread makes the
// coefficients from them, in double and with the host's code, so that the bits
// are those of the same numbers from the host; the step reads them behind it.

namespace strop::cuda {

template <typename T, typename C>
struct Made {
  C coefficients;
  Gradient<T> gradient;
  double learning_rate;
};

// What all tensors of a step share. The form of the gradient is the same for
// the whole grid.
template <typename T, typename C>
struct StepRule {
  C c;
  Gradient<T> gradient;
  GradientForm form;
  const Made<T, C>* made;  // in their place, or null
};

template <typename N>
__device__ __forceinline__ N read(const Number<N>& n) {
  return n.place == nullptr ? n.value : *n.place;
}

template <typename T, typename C, typename Rule>
__global__ void __launch_bounds__(1)
    make_numbers(const __grid_constant__ DeviceNumbers<Rule> n,
                 Made<T, C>* made) {
  const double rate = read(n.learning_rate);
  if constexpr (Rule::kCounts) {
    made->coefficients = coefficients_of<T>(n.rule, read(n.step), rate);
  } else {
    made->coefficients = coefficients_of<T>(n.rule, rate);
  }
  made->gradient = {T(read(n.grad_scale)), T(n.l2)};
  made->learning_rate = rate;
}

template <typename T, typename C, typename Rule>
StepRule<T, C> step_rule(const char* op, const C& c, const Gradient<T>& g,
                         const DeviceNumbers<Rule>& n, Stream stream) {
  static_assert(sizeof(Made<T, C>) <= kNumbersRoom * sizeof(double));
  auto* made = reinterpret_cast<Made<T, C>*>(n.room);
  if (made != nullptr) {
    launch(op, make_numbers<T, C, Rule>, 1, 1, stream, n, made);
  }
  return {c, g, form_of(g), made};
}

// Puts what was made in its place. Returns the decay of a tensor.
template <typename T, typename C>
__device__ __forceinline__ T take_numbers(StepRule<T, C>& r, T decay,
                                          double weight_decay) {
  if (r.made == nullptr) return decay;
  r.c = r.made->coefficients;
  r.gradient = r.made->gradient;
  return T(r.made->learning_rate * weight_decay);
}

}  // namespace strop::cuda
