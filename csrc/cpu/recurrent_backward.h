#pragma once

#include "cpu/recurrent_products.h"

// Backpropagation through time, included by recurrent.cpp after the forward
// pass. A gradient that fades over a thousand steps passes the denormal
// numbers, which are slow on many processors: here they count as zero.

namespace strop::cpu::STROP_ISA {
namespace {

// A thread's arrays. `direct`: what h gets beside the products.
template <typename T>
struct Backward {
  T* grad[4];
  T *grad_h, *grad_c, *direct, *product, *factor;

  Backward(const Rows<T>& rows, T* memory) {
    T** all[] = {&grad[0], &grad[1], &grad[2], &grad[3], &grad_h,
                 &grad_c,  &direct,  &product, &factor};
    for (Index i = 0; i < Index(sizeof all / sizeof all[0]); ++i) {
      *all[i] = memory + i * rows.size;
    }
  }
};

template <typename T>
BackwardRow<T> row_of(const RecurrentBackward<T>& a, const GateGradients<T>& by,
                      const Rows<T>& rows, const Backward<T>& b, Index r,
                      Index s, Index t) {
  const Index at = (rows.begin + r) * a.steps + t;
  const Index gate = at * gates_of(a.cell) * a.units;
  const Index own = r * rows.stride;
  const bool lstm = a.cell == RecurrentCell::kLstm;
  BackwardRow<T> row;
  row.gates = a.gates + gate;
  const Index width = met_width(a.cell, a.inputs, a.units);
  row.before = a.met + at * width + (width - a.units);
  row.carried = a.carried == nullptr ? nullptr : a.carried + at * a.units;
  row.before_c = nullptr;
  if (lstm && s > 0) {
    row.before_c = row.carried + (a.backwards ? a.units : -a.units);
  } else if (lstm && a.initial_c != nullptr) {
    row.before_c = a.initial_c + (rows.begin + r) * a.units;
  }
  row.grad_gates = by.gates + gate;
  row.grad_recurrent = by.recurrent == nullptr ? nullptr : by.recurrent + gate;
  row.factor = a.factor == nullptr ? nullptr : b.factor + own;
  row.grad_h = b.grad_h + own;
  row.grad_c = b.grad_c + own;
  row.direct = b.direct + own;
  for (int g = 0; g < 4; ++g) row.grad[g] = b.grad[g] + own;
  return row;
}

// Of a masked row.
template <typename T>
void no_gradients(const RecurrentBackward<T>& a, const BackwardRow<T>& row) {
  const Index width = gates_of(a.cell) * a.units;
  zero_row(row.grad_gates, width);
  if (row.grad_recurrent != nullptr) zero_row(row.grad_recurrent, width);
}

// The gradient by the h that the step began with.
template <typename T>
void pass_on(const RecurrentBackward<T>& a, const Rows<T>& rows,
             const Backward<T>& b, Index r) {
  const Index own = r * rows.stride;
  const T* __restrict product = b.product + own;
  const T* __restrict direct = b.direct + own;
  const T* __restrict factor = b.factor + own;
  T* __restrict grad = b.grad_h + own;
  if (a.factor == nullptr) {
    for (Index i = 0; i < rows.stride; ++i) grad[i] = direct[i] + product[i];
  } else {
    for (Index i = 0; i < rows.stride; ++i) {
      grad[i] = direct[i] + product[i] * factor[i];
    }
  }
}

template <typename T>
void step_backward(const RecurrentBackward<T>& a, const GateGradients<T>& by,
                   const Rows<T>& rows, const Cell& cell, const T* packed,
                   const Backward<T>& b, Index s, Index t) {
  const bool before = a.cell == RecurrentCell::kGruBefore;
  const Index height = rows.size / rows.stride;
  const auto multiply = [&](Index g, T* to, bool add) {
    multiply_rows(b.grad[g], packed + g * a.units * rows.stride, to, height,
                  a.units, rows.active, add);
  };
  if (before) {
    multiply(2, b.grad[3], false);
    for (Index r = 0; r < rows.count; ++r) {
      if (rows.masked(a.mask, a.steps, r, t)) continue;
      whole_row(cell, Phase::kReset, row_of(a, by, rows, b, r, s, t), a.units);
    }
  }
  const Index products = before ? 2 : gates_of(a.cell);
  const Index next = at_least(s - 1, 0);
  const Index ahead = a.backwards ? a.steps - 1 - next : next;
  for (Index g = 0; g < products; ++g) {
    prefetch_gate(a.gates, a, rows, g, ahead);
    prefetch_gate(by.gates, a, rows, g, ahead);
    multiply(g, b.product, g > 0);
  }
  for (Index r = 0; r < rows.count; ++r) {
    if (!rows.masked(a.mask, a.steps, r, t)) pass_on(a, rows, b, r);
  }
}

template <typename T>
void backward_rows(const RecurrentBackward<T>& a, const GateGradients<T>& by,
                   Rows<T> rows, const T* packed, T* memory) {
  const FloatMode mode = flush_denormals();
  const Cell cell{a.cell, a.activation, a.recurrent_activation};
  const Backward<T> b(rows, memory);
  load_state(rows, a.grad_h, b.grad_h);
  load_state(rows, a.grad_c, b.grad_c);
  if (a.factor != nullptr) load_state(rows, a.factor, b.factor);
  for (Index s = a.steps - 1; s >= 0; --s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    const bool any = rows.look(a.mask, a.steps, t);
    for (Index r = 0; r < rows.count; ++r) {
      const Index first = (rows.begin + r) * a.steps;
      const bool masked = rows.masked(a.mask, a.steps, r, t);
      if (a.grad_out != nullptr && !(masked && a.zeros)) {
        const T* __restrict grad = a.grad_out + (first + s) * a.units;
        T* __restrict sum = b.grad_h + r * rows.stride;
        for (Index i = 0; i < a.units; ++i) sum[i] += grad[i];
      }
      const BackwardRow<T> row = row_of(a, by, rows, b, r, s, t);
      if (masked) {
        no_gradients(a, row);
      } else {
        whole_row(cell, Phase::kAll, row, a.units);
      }
    }
    if (any) step_backward(a, by, rows, cell, packed, b, s, t);
  }
  store_state(rows, b.grad_h, a.grad_initial_h);
  if (a.grad_initial_c != nullptr) {
    store_state(rows, b.grad_c, a.grad_initial_c);
  }
  restore_denormals(mode);
}

template <typename T>
void backward(const RecurrentBackward<T>& a) {
  if (a.units == 0) return;
  const Index m = a.batch * a.steps;
  const Index each = m * gates_of(a.cell) * a.units;
  const bool gru = a.cell == RecurrentCell::kGru;
  const Index size = (gru ? 2 : 1) * each + products_scratch(a);
  T* memory = static_cast<T*>(
      scratch(Scratch::kSequence, std::size_t(size * Index{sizeof(T)})));
  const GateGradients<T> by{memory, gru ? memory + each : nullptr};
  const T* packed = pack_kernel(a.recurrent, a.units, gates_of(a.cell), true);
  for_rows<T>(a, [=](const Rows<T>& rows, T* own) {
    backward_rows(a, by, rows, packed, own);
  });
  products(a, by, memory + size - products_scratch(a));
  trim_scratch(Scratch::kSequence);
}

}  // namespace

void recurrent_backward(const RecurrentBackward<float>& a) { backward(a); }
void recurrent_backward(const RecurrentBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
