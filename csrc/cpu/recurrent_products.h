#pragma once

// The gradients by x, W, U and the bias, included by recurrent_backward.h:
// products over all steps of what met the gates and the gradients by them.

namespace strop::cpu::STROP_ISA {
namespace {

template <typename T>
struct GateGradients {
  T* gates;      // (B, T, G H) by x W + bias; of a masked step 0
  T* recurrent;  // the same by h U + bias, kGru; else null
};

// Elements that `products` works in.
template <typename T>
STROP_HD Index products_scratch(const RecurrentBackward<T>& a) {
  const Index n = gates_of(a.cell) * a.units;
  if (joins_inputs(a.cell)) return (a.inputs + a.units) * n;
  const Index met = a.factor == nullptr ? 0 : a.batch * a.steps * a.units;
  return met + (a.cell == RecurrentCell::kGruBefore ? a.units * n : 0);
}

// What met U was h times the factor, which a GRU keeps apart.
template <typename T>
void multiply_factor(const RecurrentBackward<T>& a, T* met) {
  for (Index b = 0; b < a.batch; ++b) {
    const T* __restrict factor = a.factor + b * a.units;
    for (Index t = 0; t < a.steps; ++t) {
      const Index at = (b * a.steps + t) * a.units;
      const T* __restrict h = a.met + at;
      T* __restrict to = met + at;
      for (Index i = 0; i < a.units; ++i) to[i] = h[i] * factor[i];
    }
  }
}

template <typename T>
void products(const RecurrentBackward<T>& a, const GateGradients<T>& by,
              T* memory) {
  const Index n = gates_of(a.cell) * a.units;
  const Index m = a.batch * a.steps;
  const auto weights = [&](const T* grad, const T* from, Index k, T* to,
                           T* bias) {
    matmul_backward(MatmulBackward<T>{grad, from, nullptr, nullptr, nullptr, to,
                                      bias, m, n, k, Activation::kLinear});
  };
  if (a.grad_x != nullptr) {
    matmul(Matmul<T>{by.gates, a.kernel, nullptr, a.grad_x, m, a.inputs, n,
                     false, true, Activation::kLinear});
  }
  if (joins_inputs(a.cell)) {
    weights(by.gates, a.met, a.inputs + a.units, memory, a.grad_bias);
    copy_row(memory, a.grad_kernel, a.inputs * n);
    copy_row(memory + a.inputs * n, a.grad_recurrent, a.units * n);
    return;
  }
  const bool gru = a.cell == RecurrentCell::kGru;
  const T* met = a.met;
  if (a.factor != nullptr) {
    multiply_factor(a, memory);
    met = memory;
    memory += m * a.units;
  }
  weights(by.gates, a.x, a.inputs, a.grad_kernel, a.grad_bias);
  weights(gru ? by.recurrent : by.gates, met, a.units, a.grad_recurrent,
          gru && a.grad_bias != nullptr ? a.grad_bias + n : nullptr);
  if (gru) return;
  // The candidate's columns of U met the reset state.
  weights(by.gates, a.carried, a.units, memory, nullptr);
  for (Index i = 0; i < a.units; ++i) {
    const Index from = i * n + 2 * a.units;
    copy_row(memory + from, a.grad_recurrent + from, a.units);
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
