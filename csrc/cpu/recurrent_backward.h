#pragma once

// Backpropagation through time, included by recurrent.cpp after the forward
// pass. A gradient that fades over a thousand steps passes the denormal
// numbers, which are slow on many processors: here they count as zero.

namespace strop::cpu::STROP_ISA {
namespace {

template <typename T>
struct Backward {
  T* gate[4];
  T* grad[4];
  T *h, *c, *before_c, *grad_h, *grad_c, *product;
};

// What forward left of a step, and the gradient of its output.
template <typename T>
void load_step(const RecurrentBackward<T>& a, const Rows<T>& rows, Index t,
               Index t_before, const Backward<T>& b) {
  const Index gates = gates_of(a.cell);
  const T* from_c = a.initial_c;
  Index c_row = 1;
  if (t_before >= 0) {
    from_c = a.carried + t_before * a.units;
    c_row = a.steps;
  }
  for (Index r = 0; r < rows.count; ++r) {
    const Index at = (rows.begin + r) * a.steps + t;
    const Index own = r * rows.stride;
    for (Index g = 0; g < gates; ++g) {
      copy_row(a.gates + (at * gates + g) * a.units, b.gate[g] + own, a.units);
    }
    if (a.carried == nullptr) continue;
    copy_row(a.carried + at * a.units, b.c + own, a.units);
    if (a.cell != RecurrentCell::kLstm) {
      copy_row(a.previous + at * a.units, b.h + own, a.units);
      continue;
    }
    if (from_c == nullptr) {
      zero_row(b.before_c + own, rows.stride);
    } else {
      copy_row(from_c + (rows.begin + r) * c_row * a.units, b.before_c + own,
               a.units);
    }
  }
}

// The gradients by the gates before their activations, from that by h. What
// the step before gets beside the products goes to `next_h` and `next_c`.
template <typename T>
void lstm_gradients(const RecurrentBackward<T>& a, Index n,
                    const Backward<T>& b, T* __restrict next_c) {
  const T* __restrict i_gate = b.gate[0];
  const T* __restrict f_gate = b.gate[1];
  const T* __restrict g_gate = b.gate[2];
  const T* __restrict o_gate = b.gate[3];
  activate_all(a.activation, b.c, b.c, n);
  const T* __restrict value = b.c;
  T* __restrict inner = b.product;
  T* __restrict last = b.grad[3];
  for (Index i = 0; i < n; ++i) {
    last[i] = b.grad_h[i] * value[i];
    inner[i] = b.grad_h[i] * o_gate[i];
  }
  multiply_slopes(a.activation, b.c, b.product, n);
  T* __restrict one = b.grad[0];
  T* __restrict two = b.grad[1];
  T* __restrict three = b.grad[2];
  for (Index i = 0; i < n; ++i) {
    const T by_c = b.grad_c[i] + inner[i];
    one[i] = by_c * g_gate[i];
    two[i] = by_c * b.before_c[i];
    three[i] = by_c * i_gate[i];
    next_c[i] = by_c * f_gate[i];
  }
  multiply_slopes(a.recurrent_activation, b.gate[0], b.grad[0], 2 * n);
  multiply_slopes(a.activation, b.gate[2], b.grad[2], n);
  multiply_slopes(a.recurrent_activation, b.gate[3], b.grad[3], n);
}

template <typename T>
void gru_gradients(const RecurrentBackward<T>& a, const Rows<T>& rows,
                   const T* packed, const Backward<T>& b,
                   const T* __restrict factor, T* __restrict next_h) {
  const Index n = rows.size;
  const T* __restrict z = b.gate[0];
  const T* __restrict r = b.gate[1];
  const T* __restrict value = b.gate[2];
  const T* __restrict h = b.h;
  const T* __restrict grad = b.grad_h;
  const T* __restrict inner = b.c;
  T* __restrict one = b.grad[0];
  T* __restrict two = b.grad[1];
  T* __restrict three = b.grad[2];
  T* __restrict four = b.grad[3];
  for (Index i = 0; i < n; ++i) {
    one[i] = grad[i] * (h[i] - value[i]);
    three[i] = grad[i] * (1 - z[i]);
    next_h[i] = grad[i] * z[i];
  }
  multiply_slopes(a.recurrent_activation, b.gate[0], b.grad[0], n);
  multiply_slopes(a.activation, b.gate[2], b.grad[2], n);
  if (a.cell == RecurrentCell::kGru) {
    for (Index i = 0; i < n; ++i) {
      two[i] = three[i] * inner[i];
      four[i] = three[i] * r[i];
    }
  } else {
    zero_row(four, n);
    add_product(b.grad[2], packed + 2 * a.units * rows.stride, b.grad[3],
                n / rows.stride, a.units, rows.active);
    if (factor != nullptr) {
      for (Index i = 0; i < n; ++i) four[i] *= factor[i];
    }
    for (Index i = 0; i < n; ++i) {
      two[i] = four[i] * h[i];
      next_h[i] += four[i] * r[i];
    }
  }
  multiply_slopes(a.recurrent_activation, b.gate[1], b.grad[1], n);
}

template <typename T>
void store_gradients(const RecurrentBackward<T>& a, const Rows<T>& rows,
                     Index t, const Backward<T>& b) {
  const Index gates = gates_of(a.cell);
  for (Index r = 0; r < rows.count; ++r) {
    const Index at = (rows.begin + r) * a.steps + t;
    const bool masked = a.mask != nullptr && !a.mask[at];
    for (Index g = 0; g < gates; ++g) {
      T* to = a.grad_gates + (at * gates + g) * a.units;
      T* same = a.grad_recurrent == nullptr
                    ? nullptr
                    : a.grad_recurrent + (at * gates + g) * a.units;
      if (masked) {
        zero_row(to, a.units);
        if (same != nullptr) zero_row(same, a.units);
        continue;
      }
      const Index own = r * rows.stride;
      copy_row(b.grad[g] + own, to, a.units);
      if (same != nullptr) {
        copy_row(b.grad[g == 2 ? 3 : g] + own, same, a.units);
      }
    }
  }
}

// Rows that are not masked take the gradients by what the step began with.
template <typename T>
void pass_on(const RecurrentBackward<T>& a, const Rows<T>& rows, Index t,
             const Backward<T>& b, const T* factor, const T* next_h,
             const T* next_c) {
  const Index n = rows.stride;
  for (Index r = 0; r < rows.count; ++r) {
    if (a.mask != nullptr && !a.mask[(rows.begin + r) * a.steps + t]) continue;
    const T* __restrict product = b.product + r * n;
    const T* __restrict direct = next_h + r * n;
    const T* __restrict more = next_c + r * n;
    T* __restrict grad_h = b.grad_h + r * n;
    T* __restrict grad_c = b.grad_c + r * n;
    if (factor != nullptr) {
      for (Index i = 0; i < n; ++i) {
        grad_h[i] = direct[i] + product[i] * factor[r * n + i];
      }
    } else {
      for (Index i = 0; i < n; ++i) grad_h[i] = direct[i] + product[i];
    }
    for (Index i = 0; i < n; ++i) grad_c[i] = more[i];
  }
}

template <typename T>
void step_backward(const RecurrentBackward<T>& a, const Rows<T>& rows,
                   const T* packed, const Backward<T>& b, const T* factor,
                   T* next_h, T* next_c) {
  const Index n = rows.size;
  Index products = gates_of(a.cell);
  if (a.cell == RecurrentCell::kLstm) {
    lstm_gradients(a, n, b, next_c);
  } else if (is_gru(a.cell)) {
    gru_gradients(a, rows, packed, b, factor, next_h);
    if (a.cell == RecurrentCell::kGruBefore) products = 2;
  } else {
    for (Index i = 0; i < n; ++i) b.grad[0][i] = b.grad_h[i];
    multiply_slopes(a.activation, b.gate[0], b.grad[0], n);
  }
  zero_row(b.product, n);
  for (Index g = 0; g < products; ++g) {
    const T* grad = b.grad[a.cell == RecurrentCell::kGru && g == 2 ? 3 : g];
    add_product(grad, packed + g * a.units * rows.stride, b.product,
                n / rows.stride, a.units, rows.active);
  }
}

template <typename T>
void backward_rows(const RecurrentBackward<T>& a, Rows<T> rows, const T* packed,
                   T* memory) {
  const FloatMode mode = flush_denormals();
  const auto array = [&](int i) { return memory + i * rows.size; };
  const Backward<T> b{{array(0), array(1), array(2), array(3)},
                      {array(4), array(5), array(6), array(7)},
                      array(8),
                      array(9),
                      array(10),
                      array(11),
                      array(12),
                      array(13)};
  T* next_h = array(14);
  T* next_c = array(15);
  T* factor = a.factor == nullptr ? nullptr : array(16);
  load_state(rows, a.grad_h, b.grad_h);
  load_state(rows, a.grad_c, b.grad_c);
  if (factor != nullptr) load_state(rows, a.factor, factor);
  for (Index s = a.steps - 1; s >= 0; --s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    for (Index r = 0; r < rows.count && a.grad_out != nullptr; ++r) {
      const Index row = (rows.begin + r) * a.steps;
      if (a.zeros && a.mask != nullptr && !a.mask[row + t]) continue;
      const T* grad = a.grad_out + (row + s) * a.units;
      T* __restrict sum = b.grad_h + r * rows.stride;
      for (Index i = 0; i < a.units; ++i) sum[i] += grad[i];
    }
    if (rows.look(a.mask, a.steps, t)) {
      load_step(a, rows, t, s == 0 ? -1 : a.backwards ? t + 1 : t - 1, b);
      step_backward(a, rows, packed, b, factor, next_h, next_c);
      pass_on(a, rows, t, b, factor, next_h, next_c);
    }
    store_gradients(a, rows, t, b);
  }
  store_state(rows, b.grad_h, a.grad_initial_h);
  if (a.grad_initial_c != nullptr) {
    store_state(rows, b.grad_c, a.grad_initial_c);
  }
  restore_denormals(mode);
}

template <typename T>
void backward(const RecurrentBackward<T>& a) {
  if (a.batch == 0 || a.units == 0) return;
  const T* packed = pack_kernel(a.kernel, a.units, gates_of(a.cell), true);
  for_rows<T>(a, [=](const Rows<T>& rows, T* memory) {
    backward_rows(a, rows, packed, memory);
  });
}

}  // namespace

void recurrent_backward(const RecurrentBackward<float>& a) { backward(a); }
void recurrent_backward(const RecurrentBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
