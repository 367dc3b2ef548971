#pragma once

#include "cpu/recurrent_gradients.h"

// Backpropagation through time, included by recurrent.cpp after the forward
// pass. A gradient that fades over a thousand steps passes the denormal
// numbers, which are slow on many processors: here they count as zero.

namespace strop::cpu::STROP_ISA {
namespace {

// A thread's arrays. `direct`: what h gets beside the products.
template <typename T>
struct Backward {
  T *grad_h, *grad_c, *direct, *product, *by_met, *factor;
  Block<T> block;

  Backward(const Rows<T>& rows, const Block<T>& whole, bool before, T* memory)
      : block(whole) {
    T** all[] = {&grad_h, &grad_c, &direct, &product, &by_met, &factor};
    for (T** array : all) {
      *array = memory;
      memory += rows.size;
    }
    block.lie_in(memory, before);
  }
  static Index size(const Rows<T>& rows) { return 6 * rows.size; }
};

// U^T, and W^T where the gradient by x is wanted: (G H) rows.
template <typename T>
struct Packed {
  const T *recurrent, *kernel;
};

// At step s, position t, the place-th of the block.
template <typename T>
BackwardRow<T> row_of(const RecurrentBackward<T>& a, const Rows<T>& rows,
                      const Backward<T>& b, Index r, Index s, Index t,
                      Index place) {
  const Index at = (rows.begin + r) * a.steps + t;
  const Index own = r * rows.stride;
  const bool lstm = a.cell == RecurrentCell::kLstm;
  BackwardRow<T> row;
  row.gates = a.gates + at * gates_of(a.cell) * a.units;
  row.before = a.before + at * a.units;
  row.carried = a.carried == nullptr ? nullptr : a.carried + at * a.units;
  row.before_c = nullptr;
  if (lstm && s > 0) {
    row.before_c = row.carried + (a.backwards ? a.units : -a.units);
  } else if (lstm && a.initial_c != nullptr) {
    row.before_c = a.initial_c + (rows.begin + r) * a.units;
  }
  row.factor = a.factor == nullptr ? nullptr : b.factor + own;
  row.grad_h = b.grad_h + own;
  row.grad_c = b.grad_c + own;
  row.direct = b.direct + own;
  row.by_met = b.by_met + own;
  for (Index g = 0; g < 4; ++g) {
    row.grad[g] =
        g < b.block.arrays ? b.block.gradients(g, place + r) : nullptr;
  }
  return row;
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
void step_backward(const RecurrentBackward<T>& a, const Rows<T>& rows,
                   const Cell& cell, const Packed<T>& packed,
                   const Backward<T>& b, Index s, Index t, Index place) {
  const bool before = a.cell == RecurrentCell::kGruBefore;
  const Index height = rows.size / rows.stride;
  const Block<T>& block = b.block;
  const Index depth = gates_of(a.cell) * a.units;
  // Gates from g on, as one sum.
  const auto multiply = [&](Index g, Index gates, T* to) {
    multiply_rows(Terms<T>{block.gradients(g, place), block.grad_row, 1,
                           block.places() * block.grad_row - a.units, nullptr,
                           0, 0, a.units, gates},
                  Panels<T>{packed.recurrent, depth, a.units, g * a.units}, to,
                  rows.stride, height, rows.active, false);
  };
  if (before) {
    multiply(2, 1, b.by_met);
    for (Index r = 0; r < rows.count; ++r) {
      if (rows.masked(a.mask, a.steps, r, t)) continue;
      whole_row(cell, Phase::kReset, row_of(a, rows, b, r, s, t, place),
                a.units);
    }
  }
  // Nothing beside the product, and of no row is it kept from before.
  const bool alone =
      !is_gru(a.cell) && a.factor == nullptr && a.mask == nullptr;
  multiply(0, before ? 2 : gates_of(a.cell), alone ? b.grad_h : b.product);
  for (Index r = 0; r < rows.count && !alone; ++r) {
    if (!rows.masked(a.mask, a.steps, r, t)) pass_on(a, rows, b, r);
  }
}

// Steps [first, end), from the last: one block.
template <typename T>
void block_backward(const RecurrentBackward<T>& a, Rows<T>& rows,
                    const Cell& cell, const Packed<T>& packed,
                    const Backward<T>& b, Index first, Index end) {
  for (Index s = end - 1; s >= first; --s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    const Index place = (end - 1 - s) * b.block.rows;
    const bool any = rows.look(a.mask, a.steps, t);
    const Index next = at_least(s - 1, 0);
    const Index ahead = a.backwards ? a.steps - 1 - next : next;
    for (Index r = 0; r < rows.count; ++r) {
      const Index from = (rows.begin + r) * a.steps;
      const bool masked = rows.masked(a.mask, a.steps, r, t);
      if (a.grad_out != nullptr && !(masked && a.zeros)) {
        const T* __restrict grad = a.grad_out + (from + s) * a.units;
        T* __restrict sum = b.grad_h + r * rows.stride;
        for (Index i = 0; i < a.units; ++i) sum[i] += grad[i];
      }
      const BackwardRow<T> row = row_of(a, rows, b, r, s, t, place);
      if (!masked) whole_row(cell, Phase::kAll, row, a.units);
      if (a.grad_gates == nullptr) {
        keep_row(a, b.block, row, a.x + (from + t) * a.inputs, place + r,
                 masked);
        fetch_row(a.x, from + ahead, a.inputs);
      }
      fetch_row(a.gates, from + ahead, gates_of(a.cell) * a.units);
      fetch_row(a.before, from + ahead, a.units);
      if (a.carried != nullptr) {
        fetch_row(a.carried, from + at_least(ahead - 1, 0), a.units);
      }
    }
    if (any) step_backward(a, rows, cell, packed, b, s, t, place);
    for (Index r = 0; r < rows.count && a.grad_gates != nullptr; ++r) {
      give_row(a, b.block, place + r, (rows.begin + r) * a.steps + t,
               rows.masked(a.mask, a.steps, r, t));
    }
  }
}

template <typename T>
void backward_rows(const RecurrentBackward<T>& a, Rows<T> rows,
                   const Packed<T>& packed, const Backward<T>& b, T* sums) {
  const FloatMode mode = flush_denormals();
  const Cell cell{a.cell, a.activation, a.recurrent_activation};
  const Index chunk = rows_of_chunk<T>(a.batch, a.units);
  const Index each = Sums<T>(a).size();
  load_state(rows, a.grad_h, b.grad_h);
  load_state(rows, a.grad_c, b.grad_c);
  if (a.factor != nullptr) load_state(rows, a.factor, b.factor);
  if (sums != nullptr) zero_row(sums, (rows.count + chunk - 1) / chunk * each);
  for (Index end = a.steps; end > 0; end -= b.block.steps) {
    const Index first = at_least(end - b.block.steps, 0);
    block_backward(a, rows, cell, packed, b, first, end);
    if (sums == nullptr) continue;
    for (Index r = 0; r < rows.count; r += chunk) {
      add_block(a, b.block, end - first, r, at_most(chunk, b.block.rows - r),
                sums + r / chunk * each);
    }
    if (a.grad_x != nullptr) {
      inputs_backward(a, rows, packed.kernel, b.block, first, end);
    }
  }
  store_state(rows, b.grad_h, a.grad_initial_h);
  if (a.grad_initial_c != nullptr) {
    store_state(rows, b.grad_c, a.grad_initial_c);
  }
  restore_denormals(mode);
}

// U^T and, behind it, W^T.
template <typename T>
Packed<T> pack_transposed(const RecurrentBackward<T>& a, bool need_x) {
  const Index depth = gates_of(a.cell) * a.units;
  const Index wide = need_x ? padded(a.inputs) : 0;
  const Index size = depth * (padded(a.units) + wide);
  T* packed = static_cast<T*>(
      scratch(Scratch::kPacked, std::size_t(size * Index{sizeof(T)})));
  T* kernel = packed + depth * padded(a.units);
  pack_panels(a.recurrent, 1, depth, depth, a.units, packed);
  if (need_x) pack_panels(a.kernel, 1, depth, depth, a.inputs, kernel);
  return {packed, kernel};
}

template <typename T>
void backward(const RecurrentBackward<T>& a) {
  if (a.units == 0) return;
  const bool sum = a.grad_gates == nullptr;
  if (a.batch == 0) return sum ? add_all<T>(a, nullptr, 0) : void();
  const bool need_x = sum && a.grad_x != nullptr;
  const Index chunk = sum ? rows_of_chunk<T>(a.batch, a.units) : a.batch;
  const Index chunks = sum ? (a.batch + chunk - 1) / chunk : 0;
  const Index sums = Sums<T>(a).size();
  const Packed<T> packed = pack_transposed(a, need_x);
  const bool before = a.cell == RecurrentCell::kGruBefore;
  const Index time = nanoseconds(a, sizeof(T));
  const Index threads = helpful_threads(time);
  Index each = rows_of_part<T>(a.batch, a.units, threads);
  if (sum) {
    // Whole chunks, of few enough rows for long sums.
    const Index fit = at_most(most_rows<T>(a.units), rows_of_block(a, chunk));
    each = at_most(up_to(each, chunk), at_least(fit / chunk, 1) * chunk);
  }
  const Rows<T> rows(0, at_most(each, a.batch), a.units);
  const Block<T> block(a, rows.count);
  const Index size =
      up_to(Backward<T>::size(rows) + block.size(before, need_x), 16);
  T* memory = static_cast<T*>(scratch(
      Scratch::kRows,
      std::size_t((threads * size + chunks * sums) * Index{sizeof(T)})));
  T* own_sums = memory + threads * size;
  for_parts(
      (a.batch + each - 1) / each, time, threads, [=](Index part, int slot) {
        const Index begin = part * each;
        const Rows<T> own(begin, at_most(begin + each, a.batch), a.units);
        zero_row(memory + slot * size, size);
        backward_rows(a, own, packed,
                      Backward<T>(own, block, before, memory + slot * size),
                      sum ? own_sums + begin / chunk * sums : nullptr);
      });
  if (sum) add_all(a, own_sums, chunks);
  trim_scratch(Scratch::kRows);
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void recurrent_backward(const RecurrentBackward<float>& a) { backward(a); }
void recurrent_backward(const RecurrentBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
