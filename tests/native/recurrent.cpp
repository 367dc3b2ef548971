#include "kernels/recurrent.h"

#include "native.h"

namespace strop::native {
namespace {

double gate(Activation which, double x) {
  return which == Activation::kSigmoid ? 1 / (1 + std::exp(-x)) : std::tanh(x);
}

// A sequence against a loop in double, and its gradients by the sum of the
// outputs against those with the first gate of the last step moved.
template <typename T>
void on(RecurrentCell cell, Index batch, Index steps, Index units,
        bool backwards, bool masked) {
  const Index gates = gates_of(cell), n = gates * units;
  const Index rows = batch * steps;
  constexpr Index kInputs = 5;
  const bool gru = cell == RecurrentCell::kGru;
  Guarded<T> x(rows * kInputs), weight(kInputs * n), kernel(units * n);
  Guarded<T> bias(units), factor(batch * units);
  Guarded<T> gates_kept(rows * n);  // x W + bias, and then the gates
  Guarded<T> h0(batch * units), c0(batch * units), out(rows * units);
  Guarded<T> h(batch * units), c(batch * units);
  Guarded<T> before(rows * units), carried(rows * units);
  Guarded<bool> mask(rows);
  x.random();
  weight.random();
  // A larger state would double a rounding at every step.
  kernel.random(-1 / (1 + double(units)), 1 / (1 + double(units)));
  bias.random();
  h0.random();
  c0.random();
  for (Index i = 0; i < rows; ++i) mask[i] = !masked || i % 3 != 1;
  for (Index i = 0; i < batch * units; ++i) factor[i] = T(i % 4 == 0 ? 0 : 2);
  gates_kept.random();
  const std::vector<double> given = gates_kept.copy();
  const bool lstm = cell == RecurrentCell::kLstm;
  const bool simple = cell == RecurrentCell::kSimple;
  RecurrentForward<T> a{};
  a.recurrent = kernel.data();
  a.bias = gru ? bias.data() : nullptr;
  a.gates = gates_kept.data();
  a.mask = masked ? mask.data() : nullptr;
  a.initial_h = h0.data();
  a.initial_c = lstm ? c0.data() : nullptr;
  a.factor = masked ? factor.data() : nullptr;
  a.out = out.data();
  a.final_h = h.data();
  a.final_c = lstm ? c.data() : nullptr;
  a.before = before.data();
  a.carried = simple ? nullptr : carried.data();
  a.batch = batch;
  a.steps = steps;
  a.units = units;
  a.cell = cell;
  a.activation = Activation::kTanh;
  a.recurrent_activation = Activation::kSigmoid;
  a.backwards = backwards;
  backend::recurrent_forward(a, {});
  for (const auto* result : {&out, &h, &before}) result->recorded();

  const auto u = [&](Index k, Index g, Index j) {
    return double(kernel[k * n + g * units + j]);
  };
  for (Index b = 0; b < batch; ++b) {
    std::vector<double> state, cell_state;
    for (Index j = 0; j < units; ++j) {
      state.push_back(double(h0[b * units + j]));
      cell_state.push_back(double(c0[b * units + j]));
    }
    for (Index s = 0; s < steps; ++s) {
      const Index t = backwards ? steps - 1 - s : s;
      std::vector<double> next = state;
      std::vector<double> met = state;
      for (Index j = 0; j < units && masked; ++j) {
        met[std::size_t(j)] *= double(factor[b * units + j]);
      }
      const auto part = [&](Index g, Index j) {
        double sum = given[std::size_t((b * steps + t) * n + g * units + j)];
        for (Index k = 0; k < units; ++k)
          sum += met[std::size_t(k)] * u(k, g, j);
        return sum;
      };
      std::vector<double> reset;
      for (Index j = 0; j < units && cell == RecurrentCell::kGruBefore; ++j) {
        reset.push_back(gate(Activation::kSigmoid, part(1, j)) *
                        met[std::size_t(j)]);
      }
      for (Index j = 0; j < units && (!masked || mask[b * steps + t]); ++j) {
        const auto at = std::size_t(j);
        if (simple) {
          next[at] = std::tanh(part(0, j));
          continue;
        }
        const double first = gate(Activation::kSigmoid, part(0, j));
        const double second = gate(Activation::kSigmoid, part(1, j));
        if (lstm) {
          cell_state[at] =
              second * cell_state[at] + first * std::tanh(part(2, j));
          next[at] = gate(Activation::kSigmoid, part(3, j)) *
                     std::tanh(cell_state[at]);
          continue;
        }
        const double own =
            given[std::size_t((b * steps + t) * n + 2 * units + j)];
        double inner = 0;
        if (cell == RecurrentCell::kGru) {
          inner = second * (part(2, j) - own + double(bias[j]));
        } else {
          for (Index k = 0; k < units; ++k) {
            inner += reset[std::size_t(k)] * u(k, 2, j);
          }
        }
        next[at] = first * state[at] + (1 - first) * std::tanh(own + inner);
      }
      state = next;
      for (Index j = 0; j < units; ++j) {
        const Index at = (b * steps + s) * units + j;
        near("out", at, out[at], state[std::size_t(j)], 8 + double(units), 32);
      }
    }
  }

  Guarded<T> grad(rows * units), grad_x(rows * kInputs);
  Guarded<T> grad_bias(gru ? 2 * n : n);
  Guarded<T> grad_weight(kInputs * n), grad_kernel(units * n);
  Guarded<T> grad_h(batch * units), grad_c(batch * units);
  grad.random();
  RecurrentBackward<T> back{};
  back.grad_out = grad.data();
  back.grad_h = h0.data();
  back.grad_c = lstm ? c0.data() : nullptr;
  back.x = x.data();
  back.gates = a.gates;
  back.before = a.before;
  back.carried = a.carried;
  back.kernel = weight.data();
  back.recurrent = a.recurrent;
  back.mask = a.mask;
  back.initial_c = a.initial_c;
  back.factor = a.factor;
  back.grad_x = grad_x.data();
  back.grad_kernel = grad_weight.data();
  back.grad_recurrent = grad_kernel.data();
  back.grad_bias = grad_bias.data();
  back.grad_initial_h = grad_h.data();
  back.grad_initial_c = lstm ? grad_c.data() : nullptr;
  back.batch = batch;
  back.steps = steps;
  back.inputs = kInputs;
  back.units = units;
  back.cell = cell;
  back.activation = a.activation;
  back.recurrent_activation = a.recurrent_activation;
  back.backwards = backwards;
  backend::recurrent_backward(back, {});
  for (const auto* result :
       {&grad_x, &grad_weight, &grad_kernel, &grad_bias, &grad_h, &grad_c}) {
    result->recorded();
  }
  // Gradients by the gates in place of sums: those by the states are the same.
  const std::vector<double> by_h = grad_h.copy();
  Guarded<T> grad_gates(rows * n), grad_inner(rows * n);
  back.grad_gates = grad_gates.data();
  back.grad_inner = gru ? grad_inner.data() : nullptr;
  backend::recurrent_backward(back, {});
  grad_gates.recorded();
  if (gru) grad_inner.recorded();
  for (Index i = 0; i < batch * units; ++i) {
    near("by h", i, grad_h[i], by_h[std::size_t(i)], 0);
  }
  for (Index j = 0; j < n && rows > 0; ++j) {
    double sum = 0;
    for (Index i = 0; i < rows; ++i) sum += double(grad_gates[i * n + j]);
    near("by the bias", j, grad_bias[j], sum, 1 + double(rows));
  }
  for (Index b = 0; b < batch && steps > 0 && masked; ++b) {
    for (Index i = 0; i < n && !mask[b * steps]; ++i) {
      near("masked", i, grad_gates[b * steps * n + i], 0, 0);
    }
    for (Index i = 0; i < kInputs && !mask[b * steps]; ++i) {
      near("masked", i, grad_x[b * steps * kInputs + i], 0, 0);
    }
  }
}

}  // namespace

void test_recurrent() {
  for (const RecurrentCell cell :
       {RecurrentCell::kSimple, RecurrentCell::kLstm, RecurrentCell::kGru,
        RecurrentCell::kGruBefore}) {
    for (const Index units : {0, 1, 7, 16, 17, 33, 112}) {
      for (const Index batch : {0, 1, 4, 9}) {
        on<float>(cell, batch, 3, units, false, false);
        on<double>(cell, batch, 4, units, true, true);
      }
    }
    on<float>(cell, 2, 0, 5, false, false);
    on<float>(cell, 70, 30, 40, true, true);
  }
}

}  // namespace strop::native
