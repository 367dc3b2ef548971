#pragma once

#include "cpu/recurrent_rows.h"

// The gradients by W, U and the bias, included by recurrent_backward.h. They
// are sums over all rows and steps of what met a gate and the gradient by
// it, 6.5 MB of gradients at 32 rows of 200 steps of an LSTM of 64 units: a
// thread adds up some steps at a time, which it has in L2. So that the bits do
// not depend on who does it, each chunk of rows has sums of its own, added in
// order at the end.

namespace strop::cpu::STROP_ISA {
namespace {

// What met the gates and the gradients by them, of some steps of a thread's
// rows, take this much of L2. A sum over 192 rows and steps runs at 96 % of
// what the processor can do, over 48 at 86 %: each begins and ends with its
// element.
constexpr Index kBlockBytes = Index{512} << 10;
constexpr Index kLongSum = 192;
constexpr Index kMostChunks = 8;

// Rows that have sums of their own.
template <typename T>
STROP_HD Index rows_of_chunk(Index batch, Index units) {
  const Index each = tiled((batch + kMostChunks - 1) / kMostChunks);
  const Index least = at_most(tiled(batch), batch <= 16 ? 4 : 8);
  return at_most(at_least(each, least), most_rows<T>(units));
}

// Which gradients and which of the arrays that met them make the columns of a
// gate: by W and its bias, by U and a bias of its own.
STROP_HD Index by_inputs(RecurrentCell cell, Index g) {
  return cell == RecurrentCell::kGru && g == 2 ? 3 : g;
}

// Sizes of what a chunk of rows adds up: sums by W, (G, wide, stride), by U,
// (G, high, stride), by the bias, (4, stride).
template <typename T>
struct Sums {
  Index gates, arrays, inputs, units, stride, wide, high;

  explicit Sums(const RecurrentBackward<T>& a)
      : gates(gates_of(a.cell)),
        arrays(a.cell == RecurrentCell::kGru ? 4 : gates),
        inputs(a.inputs),
        units(a.units),
        stride(padded(a.units)),
        wide(up_to(a.inputs, kTileRows)),
        high(up_to(a.units, kTileRows)) {}

  Index by_kernel(Index g) const { return g * wide * stride; }
  Index by_recurrent(Index g) const {
    return (gates * wide + g * high) * stride;
  }
  Index by_bias(Index g) const { return (gates * (wide + high) + g) * stride; }
  Index size() const { return by_bias(arrays); }
};

// Elements of a row of the block that follows, at one step, in bytes.
template <typename T>
STROP_HD Index block_row(const RecurrentBackward<T>& a) {
  const Index arrays =
      2 + (a.cell == RecurrentCell::kGru ? 3 : gates_of(a.cell));
  return (a.inputs + arrays * padded(a.units)) * Index{sizeof(T)};
}

// Rows that leave room for long sums of chunks.
template <typename T>
STROP_HD Index rows_of_block(const RecurrentBackward<T>& a, Index chunk) {
  return kBlockBytes / (block_row<T>(a) * (kLongSum + chunk - 1) / chunk);
}

// Of some steps: x, what met U, and the gradients by the gates, each (steps,
// rows, its width). Rows of gradients of many units would share few of L1's
// sets, were they not a line longer.
template <typename T>
struct Block {
  Index rows, steps, wide, stride, grad_row, arrays;
  T *x, *met, *reset, *grad, *by_x;

  Block(const RecurrentBackward<T>& a, Index count)
      : rows(tiled(count)),
        steps(0),
        wide(a.grad_gates == nullptr ? up_to(a.inputs, kTileRows) : 0),
        stride(padded(a.units)),
        grad_row(stride + (stride < 128 ? 0 : 16)),
        arrays(Sums<T>(a).arrays),
        x(nullptr),
        met(nullptr),
        reset(nullptr),
        grad(nullptr),
        by_x(nullptr) {
    steps = kBlockBytes / (block_row<T>(a) * rows);
    steps = a.grad_gates == nullptr ? at_least(1, at_most(steps, a.steps)) : 1;
  }

  Index places() const { return up_to(steps * rows, kTileRows); }
  Index size(bool before, bool need_x) const {
    const Index more = (before ? stride : 0) + (need_x ? padded(wide) : 0);
    return places() * (wide + stride + arrays * grad_row + more);
  }
  void lie_in(T* memory, bool before) {
    x = memory;
    met = x + places() * wide;
    grad = met + places() * stride;
    reset = grad + arrays * places() * grad_row;
    by_x = reset + (before ? places() * stride : 0);
  }
  T* gradients(Index g, Index place) const {
    return grad + (g * places() + place) * grad_row;
  }
};

// What met the gates, to the block; of a masked row zeros, with its gradients.
template <typename T>
__attribute__((noinline)) void keep_row(const RecurrentBackward<T>& a,
                                        const Block<T>& k,
                                        const BackwardRow<T>& row, const T* x,
                                        Index place, bool masked) {
  T* __restrict to = k.met + place * k.stride;
  T* to_x = k.x + place * k.wide;
  if (masked) {
    for (Index g = 0; g < k.arrays; ++g) zero_row(row.grad[g], k.grad_row);
    zero_row(to_x, k.wide);
    zero_row(to, k.stride);
    if (a.cell == RecurrentCell::kGruBefore) {
      zero_row(k.reset + place * k.stride, k.stride);
    }
    return;
  }
  copy_row(x, to_x, a.inputs);
  if (a.factor != nullptr && is_gru(a.cell)) {
    for (Index i = 0; i < a.units; ++i) to[i] = row.before[i] * row.factor[i];
  } else {
    copy_row(row.before, to, a.units);
  }
  if (a.cell == RecurrentCell::kGruBefore) {
    copy_row(row.carried, k.reset + place * k.stride, a.units);
  }
}

// The gradients by the gates of a row, the at-th of all positions, to the
// caller; of a masked row zeros. By registers: a copy of 16 units takes less
// time than the call of memcpy.
template <typename T>
void give_row(const RecurrentBackward<T>& a, const Block<T>& b, Index place,
              Index at, bool masked) {
  const auto copy = [&](const T* from, T* to) {
    if (masked) return zero_row(to, a.units);
    Index i = 0;
    for (; i + kGroup<T> <= a.units; i += kGroup<T>) {
      store<T>(to + i, load(from + i));
    }
    for (; i < a.units; ++i) to[i] = from[i];
  };
  const Index gates = gates_of(a.cell);
  for (Index g = 0; g < gates; ++g) {
    const Index to = (at * gates + g) * a.units;
    copy(b.gradients(by_inputs(a.cell, g), place), a.grad_gates + to);
    if (a.grad_inner == nullptr) continue;
    copy(b.gradients(g, place), a.grad_inner + to);
  }
}

// Adds the first `steps` of a block to the sums of a chunk that begins at row
// `first` of it.
template <typename T>
__attribute__((noinline)) void add_block(const RecurrentBackward<T>& a,
                                         const Block<T>& b, Index steps,
                                         Index first, Index rows, T* to) {
  const Sums<T> sums(a);
  const Index jump = b.rows - rows;
  const auto add = [&](const T* met, Index width, Index columns, Index array,
                       T* sum) {
    add_outer(Terms<T>{met + first * width, 1, width, jump * width,
                       b.gradients(array, first), b.grad_row, jump * b.grad_row,
                       rows, steps},
              columns, b.stride, sum);
  };
  for (Index g = 0; g < sums.gates; ++g) {
    const bool reset = a.cell == RecurrentCell::kGruBefore && g == 2;
    add(b.x, b.wide, sums.wide, by_inputs(a.cell, g), to + sums.by_kernel(g));
    add(reset ? b.reset : b.met, b.stride, sums.high, g,
        to + sums.by_recurrent(g));
  }
  for (Index g = 0; g < sums.arrays && a.grad_bias != nullptr; ++g) {
    T* __restrict sum = to + sums.by_bias(g);
    for (Index s = 0; s < steps; ++s) {
      for (Index r = first; r < first + rows; ++r) {
        const T* __restrict grad = b.gradients(g, s * b.rows + r);
        for (Index i = 0; i < b.stride; ++i) sum[i] += grad[i];
      }
    }
  }
}

// The gradient by x of the steps of a block.
template <typename T>
__attribute__((noinline)) void inputs_backward(const RecurrentBackward<T>& a,
                                               const Rows<T>& rows,
                                               const T* packed,
                                               const Block<T>& b, Index first,
                                               Index end) {
  const Index places = (end - first) * b.rows;
  for (Index g = 0; g < gates_of(a.cell); ++g) {
    multiply_rows(
        Terms<T>{b.gradients(by_inputs(a.cell, g), 0), b.grad_row, 1, 0,
                 nullptr, 0, 0, a.units, 1},
        Panels<T>{packed, gates_of(a.cell) * a.units, a.inputs, g * a.units},
        b.by_x, padded(a.inputs), places, nullptr, g > 0);
  }
  for (Index s = first; s < end; ++s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    for (Index r = 0; r < rows.count; ++r) {
      copy_row(b.by_x + ((end - 1 - s) * b.rows + r) * padded(a.inputs),
               a.grad_x + ((rows.begin + r) * a.steps + t) * a.inputs,
               a.inputs);
    }
  }
}

// One row of a gradient, from those of all chunks, `each` apart, in order.
template <typename T>
__attribute__((noinline)) void add_chunks(const T* from, Index each,
                                          Index chunks, Index units, T* to) {
  for (Index i = 0; i < units; ++i) to[i] = chunks > 0 ? from[i] : T(0);
  for (Index k = 1; k < chunks; ++k) {
    const T* __restrict more = from + k * each;
    T* __restrict sum = to;
    for (Index i = 0; i < units; ++i) sum[i] += more[i];
  }
}

template <typename T>
void add_all(const RecurrentBackward<T>& a, const T* from, Index chunks) {
  const Sums<T> sums(a);
  const Index each = sums.size();
  const Index n = sums.gates * a.units;
  const Index rows = a.inputs + a.units;
  parallel_for(rows, 8, rows * n * chunks / 8, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index k = i - a.inputs;
      T* to = k < 0 ? a.grad_kernel + i * n : a.grad_recurrent + k * n;
      for (Index g = 0; g < sums.gates; ++g) {
        const Index at = k < 0 ? sums.by_kernel(g) + i * sums.stride
                               : sums.by_recurrent(g) + k * sums.stride;
        add_chunks(from + at, each, chunks, a.units, to + g * a.units);
      }
    }
  });
  if (a.grad_bias == nullptr) return;
  for (Index g = 0; g < sums.gates; ++g) {
    T* to = a.grad_bias + g * a.units;
    add_chunks(from + sums.by_bias(by_inputs(a.cell, g)), each, chunks, a.units,
               to);
    if (a.cell != RecurrentCell::kGru) continue;
    add_chunks(from + sums.by_bias(g), each, chunks, a.units, to + n);
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
