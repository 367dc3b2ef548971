#pragma once

#include "math/activation.h"

// What recurrent cells share: the activations whose slope follows from their
// value, so that backpropagation keeps the gates and not what they came from.

namespace strop {

// gates: columns of a cell's kernels over its units.
enum class RecurrentCell {
  kSimple,     // h = act(x W + h U)
  kLstm,       // i, f, c, o
  kGru,        // z, r, h; the reset gate acts behind the product
  kGruBefore,  // z, r, h; the reset gate acts on h
};

STROP_HD constexpr int gates_of(RecurrentCell cell) {
  return cell == RecurrentCell::kSimple ? 1
         : cell == RecurrentCell::kLstm ? 4
                                        : 3;
}

constexpr bool is_gru(RecurrentCell cell) {
  return cell == RecurrentCell::kGru || cell == RecurrentCell::kGruBefore;
}

// Without settings.
template <Activation A, typename T>
STROP_HD T activate_plainly(T x) {
  return activate<A>(x, {T(0), T(__builtin_inf()), T(0)});
}

// dy/dx of y = activate(x) without settings, for linear, relu, sigmoid, tanh
// and hard_sigmoid. A NaN lets the gradient through.
template <Activation A, typename T>
STROP_HD T slope_of_value(T y) {
  switch (A) {
    case Activation::kRelu:
      return y <= T(0) ? T(0) : T(1);
    case Activation::kSigmoid:
      return y * (T(1) - y);
    case Activation::kTanh:
      return T(1) - y * y;
    case Activation::kHardSigmoid:
      return (y <= T(0)) | (y >= T(1)) ? T(0) : T(1) / T(6);
    default:
      return T(1);
  }
}

}  // namespace strop
