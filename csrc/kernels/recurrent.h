#pragma once

#include "kernels/base.h"
#include "math/recurrent.h"

namespace strop {

// A whole sequence of a recurrent cell: B rows, T steps, H units, G gates. Step
// s reads position s of the inputs or, backwards, position T - 1 - s; arrays by
// position have (B, T) in the order of the inputs, `out` that of the steps. A
// masked step copies the state.
template <typename T>
struct RecurrentForward {
  T* gates;  // (B, T, G H): x W + bias; becomes the gates where `before`
  const T* recurrent;  // U: (H, G H)
  const T* bias;       // (H), kGru: inside the reset gate; or null
  const bool* mask;    // (B, T), false: masked; or null
  const T* initial_h;  // (B, H), or null: zeros
  const T* initial_c;  // the same
  const T* factor;     // (B, H): of h before it meets U; or null
  T* out;              // (B, T, H), or null
  T* final_h;          // (B, H)
  T* final_c;          // (B, H), kLstm
  T* before;           // (B, T, H): the h that a step began with; or null
  T* carried;  // (B, T, H) or null. kLstm: c after the step; kGru: h U + bias
               // of the candidate; kGruBefore: what its product was made of
  Index batch, steps, units;
  RecurrentCell cell;
  Activation activation;  // linear, relu, sigmoid, tanh or hard_sigmoid
  Activation recurrent_activation;
  bool backwards;
  bool zeros;  // `out` of a masked step is 0
};

// Whether the backward pass sums the gradients by x, W, U and the bias itself,
// some steps at a time. At 32 rows of 200 steps of an LSTM of 64 units it is
// 14 % faster, without the gradient by x, than products over all steps. With
// few rows or steps it is twice as slow: sums as large as the weights are set
// to zero and added up, 8 of them. Above 2^17 weights they would not stay in
// L2.
constexpr bool sums_gradients(RecurrentCell cell, Index batch, Index steps,
                              Index inputs, Index units) {
  const Index weights = (inputs + units) * gates_of(cell) * units;
  return batch >= 16 && steps >= 32 && weights > 0 && weights <= 1 << 17;
}

// Backpropagation through time, and, where there is no `grad_gates`, the sums
// over all steps that give the gradients by x, W, U and the bias.
template <typename T>
struct RecurrentBackward {
  const T* grad_out;  // (B, T, H), or null
  const T* grad_h;    // (B, H) by final_h, or null
  const T* grad_c;    // (B, H) by final_c, or null
  const T* x;
  const T* kernel;
  const T* recurrent;
  const T* gates;  // as forward left them
  const T* before;
  const T* carried;
  const bool* mask;
  const T* initial_c;
  const T* factor;
  T* grad_gates;   // (B, T, G H) by x W + bias, of a masked step 0; or null
  T* grad_inner;   // kGru: the same by h U + bias; or null
  T* grad_x;       // or null
  T* grad_kernel;  // not null, but beside grad_gates
  T* grad_recurrent;
  T* grad_bias;       // or null
  T* grad_initial_h;  // (B, H)
  T* grad_initial_c;  // (B, H), kLstm
  Index batch, steps, inputs, units;
  RecurrentCell cell;
  Activation activation;
  Activation recurrent_activation;
  bool backwards;
  bool zeros;
};

#define STROP_RECURRENT_KERNELS(X)       \
  X(recurrent_forward, RecurrentForward) \
  X(recurrent_backward, RecurrentBackward)

STROP_DECLARE_KERNELS(STROP_RECURRENT_KERNELS, STROP_DECLARE)

}  // namespace strop
