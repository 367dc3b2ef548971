#pragma once

#include "bind/array.h"
#include "bind/backend.h"
#include "kernels/matmul.h"
#include "kernels/recurrent.h"

// What the two passes of a recurrent layer check and share.

namespace strop::bind {

struct Setting {
  RecurrentCell cell;
  Activation activation, recurrent_activation;
};

inline Activation gate_activation(const char* op, const char* name,
                                  const std::string& text) {
  if (text == "linear") return Activation::kLinear;
  if (text == "relu") return Activation::kRelu;
  if (text == "sigmoid") return Activation::kSigmoid;
  if (text == "tanh") return Activation::kTanh;
  if (text == "hard_sigmoid") return Activation::kHardSigmoid;
  raise_value(op, std::string(name) +
                      " must be linear, relu, sigmoid, tanh or hard_sigmoid"
                      "; got '" +
                      text + "'");
}

inline Setting setting_of(const char* op, const std::string& cell,
                          const std::string& activation,
                          const std::string& recurrent_activation) {
  Setting s;
  if (cell == "simple_rnn") {
    s.cell = RecurrentCell::kSimple;
  } else if (cell == "lstm") {
    s.cell = RecurrentCell::kLstm;
  } else if (cell == "gru") {
    s.cell = RecurrentCell::kGru;
  } else if (cell == "gru_reset_before") {
    s.cell = RecurrentCell::kGruBefore;
  } else {
    raise_value(op,
                "cell must be simple_rnn, lstm, gru or gru_reset_before; got "
                "'" +
                    cell + "'");
  }
  s.activation = gate_activation(op, "activation", activation);
  s.recurrent_activation =
      gate_activation(op, "recurrent_activation", recurrent_activation);
  return s;
}

// Arrays and sizes of a call: B rows, T steps, D inputs, H units, G gates.
struct Sequence {
  Array x, kernel, recurrent, bias, mask, factor;
  Index batch, steps, inputs, units, gates;
  Setting setting;

  // Gradients and states have these shapes.
  std::vector<Index> of_steps(Index width) const {
    return {batch, steps, width};
  }
  std::vector<Index> of_state() const { return {batch, units}; }
};

inline Array optional_array(const char* op, const char* name, py::handle object,
                            const Array& like,
                            const std::vector<Index>& shape) {
  const Array a = borrow_optional(op, name, object);
  if (object.is_none()) return a;
  require_dtype_like(op, a, like);
  require_shape(op, a, shape);
  return a;
}

inline Sequence sequence_of(const char* op, py::handle x, py::handle kernel,
                            py::handle recurrent_kernel, py::handle bias,
                            py::handle mask, py::handle factor,
                            const Setting& setting) {
  Sequence q;
  q.setting = setting;
  q.x = borrow(op, "x", x);
  require_float(op, q.x);
  require_ndim(op, q.x, 3);
  q.kernel = borrow(op, "kernel", kernel);
  require_dtype_like(op, q.kernel, q.x);
  q.recurrent = borrow(op, "recurrent_kernel", recurrent_kernel);
  require_dtype_like(op, q.recurrent, q.x);
  require_ndim(op, q.recurrent, 2);
  q.batch = q.x.shape[0];
  q.steps = q.x.shape[1];
  q.inputs = q.x.shape[2];
  q.units = q.recurrent.shape[0];
  q.gates = gates_of(setting.cell);
  const Index columns = q.gates * q.units;
  require_shape(op, q.recurrent, {q.units, columns});
  require_shape(op, q.kernel, {q.inputs, columns});
  std::vector<Index> of_bias{columns};
  if (setting.cell == RecurrentCell::kGru) of_bias = {2, columns};
  q.bias = optional_array(op, "bias", bias, q.x, of_bias);
  q.mask = borrow_optional(op, "mask", mask);
  if (!mask.is_none()) {
    require_dtype(op, q.mask, DType::kBool);
    require_shape(op, q.mask, {q.batch, q.steps});
  }
  q.factor = optional_array(op, "factor", factor, q.x, q.of_state());
  return q;
}

inline py::object new_like(const Array& x, const std::vector<Index>& shape,
                           bool wanted = true) {
  return wanted ? new_array(shape, x.dtype) : py::none();
}

template <typename T>
T* memory_of(const py::object& array) {
  return data<T>(borrow_optional("recurrent", "result", array));
}

// x W + bias of all steps; of a GRU's two biases the sum, but inside its reset
// gate.
template <typename T>
void project(const Sequence& q, T* gates, const Queue& queue) {
  const Index n = q.gates * q.units;
  std::vector<T> sum;
  const T* bias = data<const T>(q.bias);
  if (bias != nullptr && q.setting.cell == RecurrentCell::kGru) {
    sum.assign(bias, bias + n);
    for (Index i = 0; i < 2 * q.units; ++i) sum[std::size_t(i)] += bias[n + i];
    bias = sum.data();
  }
  backend::matmul(Matmul<T>{data<const T>(q.x), data<const T>(q.kernel), bias,
                            gates, q.batch * q.steps, n, q.inputs, false, false,
                            Activation::kLinear},
                  queue.stream());
}

// The gradients by W, U, bias and x from those by the gates of all steps.
template <typename T>
void products(const Sequence& q, const RecurrentBackward<T>& a,
              const Queue& queue) {
  const Index n = q.gates * q.units;
  const Index m = q.batch * q.steps;
  const auto backward = [&](const T* grad, const T* by, Index k, T* grad_by,
                            T* grad_weight, T* bias) {
    backend::matmul_backward(
        MatmulBackward<T>{grad, by, a.kernel, nullptr, grad_by, grad_weight,
                          bias, m, n, k, Activation::kLinear},
        queue.stream());
  };
  backward(a.grad_gates, a.x, q.inputs, a.grad_x, a.grad_kernel, a.grad_bias);
  const bool gru = q.setting.cell == RecurrentCell::kGru;
  // What met U was h times the factor, which only a GRU keeps apart.
  std::vector<T> met;
  const T* before = a.before;
  if (a.factor != nullptr && is_gru(q.setting.cell)) {
    met.assign(before, before + m * q.units);
    for (Index i = 0; i < m * q.units; ++i) {
      const Index row = i / (q.steps * q.units);
      met[std::size_t(i)] *= a.factor[row * q.units + i % q.units];
    }
    before = met.data();
  }
  backward(gru ? a.grad_inner : a.grad_gates, before, q.units, nullptr,
           a.grad_recurrent,
           gru && a.grad_bias != nullptr ? a.grad_bias + n : nullptr);
  if (q.setting.cell != RecurrentCell::kGruBefore) return;
  // The candidate's columns of U met the reset state.
  std::vector<T> other(std::size_t(q.units * n));
  backward(a.grad_gates, a.carried, q.units, nullptr, other.data(), nullptr);
  for (Index i = 0; i < q.units; ++i) {
    for (Index j = 2 * q.units; j < n; ++j) {
      a.grad_recurrent[i * n + j] = other[std::size_t(i * n + j)];
    }
  }
}

}  // namespace strop::bind
