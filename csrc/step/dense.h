#pragma once

#include "kernels/activation.h"
#include "kernels/matmul.h"
#include "step/memory.h"

namespace strop::step {

// activation(x kernel + bias) and its gradients.
template <typename T>
class Dense {
 public:
  struct Weights {
    const T* kernel;  // (inputs, units)
    const T* bias;    // (units), or null
    Index inputs, units;
  };

  // `fused`: matmul applies the activation to its result.
  Dense(const Weights& weights, Activation activation,
        const ActivationSettings<T>& settings, bool fused)
      : w_(weights),
        activation_(activation),
        settings_(settings),
        fused_(fused) {}

  Index inputs() const { return w_.inputs; }
  Index units() const { return w_.units; }
  Buffer<T>& grad_kernel() { return grad_kernel_; }
  Buffer<T>& grad_bias() { return grad_bias_; }

  const T* forward(const T* x, Index rows) {
    x_ = x;
    T* out = out_.at_least(rows * w_.units);
    T* linear = fused_ ? out : linear_.at_least(rows * w_.units);
    cpu::matmul(
        Matmul<T>{x, w_.kernel, w_.bias, linear, rows, w_.units, w_.inputs,
                  false, false, fused_ ? activation_ : Activation::kLinear},
        Stream{});
    if (!fused_) {
      cpu::activation_forward(ActivationForward<T>{linear, out, rows * w_.units,
                                                   activation_, settings_},
                              Stream{});
    }
    return out;
  }

  // The gradient by x if it is needed, else null.
  const T* backward(const T* grad, Index rows, bool need_x) {
    const Activation slope = fused_ ? activation_ : Activation::kLinear;
    if (!fused_) {
      T* inner = grad_linear_.at_least(rows * w_.units);
      cpu::activation_backward(
          ActivationBackward<T>{grad, linear_.data(), out_.data(), inner,
                                rows * w_.units, activation_, settings_},
          Stream{});
      grad = inner;
    }
    T* grad_x = need_x ? grad_x_.at_least(rows * w_.inputs) : nullptr;
    T* grad_bias = w_.bias ? grad_bias_.at_least(w_.units) : nullptr;
    cpu::matmul_backward(
        MatmulBackward<T>{grad, x_, w_.kernel, out_.data(), grad_x,
                          grad_kernel_.at_least(w_.inputs * w_.units),
                          grad_bias, rows, w_.units, w_.inputs, slope},
        Stream{});
    return grad_x;
  }

 private:
  Weights w_;
  Activation activation_;
  ActivationSettings<T> settings_;
  bool fused_;
  const T* x_ = nullptr;
  Buffer<T> linear_, out_, grad_linear_, grad_x_, grad_kernel_, grad_bias_;
};

}  // namespace strop::step
