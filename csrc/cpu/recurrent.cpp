// Recurrent cells over whole sequences. A step is a product (rows, H) x
// (H, G H), 1 MFLOP at 32 rows of 64 units of an LSTM, far below what is worth
// sharing: threads take rows of the batch through all steps, one region per
// sequence. Half as much time goes into the gates' sigmoid and tanh.
// U is packed once; what a row computes does not depend on the rows beside it.

#include "kernels/recurrent.h"

#include "cpu/parallel.h"
#include "cpu/recurrent_ends.h"
#include "cpu/scratch.h"

namespace strop::cpu::STROP_ISA {
namespace {

// Rows whose x W is worth a product of its own: where a step has fewer, that of
// several steps is one. An element's sum is the same, over x and then over h.
constexpr Index kProductRows = 16;

STROP_HD Index steps_at_once(Index rows, Index steps) {
  if (rows >= kProductRows) return 1;
  return at_most(up_to((kProductRows + rows - 1) / rows, kTileRows), steps);
}

// W and U, a gate after the other.
template <typename T>
struct Weights {
  T *kernel, *recurrent;
  Index each_kernel, each_recurrent;

  explicit Weights(const RecurrentForward<T>& a) {
    const Index gates = gates_of(a.cell);
    each_kernel = a.inputs * padded(a.units);
    each_recurrent = a.units * padded(a.units);
    const Index size = gates * (each_kernel + each_recurrent);
    kernel = static_cast<T*>(
        scratch(Scratch::kPacked, std::size_t(size * Index{sizeof(T)})));
    recurrent = kernel + gates * each_kernel;
    const Index row = gates * a.units;
    for (Index g = 0; g < gates; ++g) {
      const Index at = g * a.units;
      pack_panels(a.kernel + at, row, 1, a.inputs, a.units,
                  kernel + g * each_kernel);
      pack_panels(a.recurrent + at, row, 1, a.units, a.units,
                  recurrent + g * each_recurrent);
    }
  }
};

// A thread's arrays. `product`: x W of some steps, (rows, steps, stride) of
// each gate, to which a step adds h U.
template <typename T>
struct Forward {
  T* product[4];
  T *h, *next, *c, *next_c, *reset, *factor, *met, *inner, *bias;
  Index steps, row;  // at once; from one row of a product to the next

  static Index size(const RecurrentForward<T>& a, Index rows, Index steps) {
    const Index gates = gates_of(a.cell);
    return (8 + gates * steps) * tiled(rows) * padded(a.units) +
           up_to(gates * a.units, 16);
  }
  Forward(const Rows<T>& rows, const RecurrentForward<T>& a, Index at_once,
          T* memory)
      : steps(at_once), row(at_once * rows.stride) {
    T** all[] = {&h, &next, &c, &next_c, &reset, &factor, &met, &inner};
    for (T** array : all) {
      *array = memory;
      memory += rows.size;
    }
    const Index gates = gates_of(a.cell);
    for (Index g = 0; g < 4; ++g) {
      product[g] = memory;
      if (g < gates) memory += steps * rows.size;
    }
    bias = memory;
    for (Index i = 0; i < gates * a.units && a.bias != nullptr; ++i) {
      const bool both = a.cell == RecurrentCell::kGru && i < 2 * a.units;
      bias[i] = both ? a.bias[i] + a.bias[gates * a.units + i] : a.bias[i];
    }
  }
};

// `own`: the step's place among those whose products are made at once.
template <typename T>
ForwardRow<T> row_of(const RecurrentForward<T>& a, const Rows<T>& rows,
                     const Forward<T>& f, Index r, Index s, Index t,
                     Index place) {
  const Index at = (rows.begin + r) * a.steps + t;
  const Index own = r * rows.stride;
  const auto by_position = [=](T* array, Index width) {
    return array == nullptr ? nullptr : array + at * width;
  };
  ForwardRow<T> row;
  row.gates = by_position(a.gates, gates_of(a.cell) * a.units);
  row.bias = f.bias;
  row.inner_bias = a.cell == RecurrentCell::kGru && a.bias != nullptr
                       ? a.bias + 5 * a.units
                       : nullptr;
  row.out = a.out == nullptr
                ? nullptr
                : a.out + ((rows.begin + r) * a.steps + s) * a.units;
  row.before = by_position(a.before, a.units);
  row.carried = by_position(a.carried, a.units);
  row.save = a.before != nullptr;
  for (int g = 0; g < 4; ++g) {
    row.product[g] = f.product[g] + r * f.row + place * rows.stride;
  }
  row.inner = f.inner + own;
  row.h = f.h + own;
  row.met = f.met + own;
  row.c = f.c + own;
  row.next = f.next + own;
  row.next_c = f.next_c + own;
  row.reset = f.reset + own;
  return row;
}

// What a masked row leaves: its states, and numbers where the gradients' sums
// over all steps meet a zero.
template <typename T>
void copy_states(const RecurrentForward<T>& a, const ForwardRow<T>& row) {
  copy_row(row.h, row.next, a.units);
  copy_row(row.c, row.next_c, a.units);
  if (row.out != nullptr) {
    if (a.zeros) {
      zero_row(row.out, a.units);
    } else {
      copy_row(row.h, row.out, a.units);
    }
  }
  if (!row.save) return;
  copy_row(row.h, row.before, a.units);
  if (row.carried != nullptr) copy_row(row.c, row.carried, a.units);
}

// x W of positions [first, end).
template <typename T>
void project(const RecurrentForward<T>& a, const Rows<T>& rows,
             const Weights<T>& w, const Forward<T>& f, Index first, Index end) {
  const T* x = a.x + (rows.begin * a.steps + first) * a.inputs;
  const Index next = a.steps * a.inputs;  // row of the batch
  for (Index g = 0; g < gates_of(a.cell); ++g) {
    const Panels<T> panels{w.kernel + g * w.each_kernel, a.inputs, a.units, 0};
    Terms<T> t{x, next, 1, 0, nullptr, 0, 0, a.inputs, 1};
    if (f.steps == 1) {
      multiply_rows(t, panels, f.product[g], f.row, rows.count, nullptr, false);
      continue;
    }
    t.a_row = a.inputs;
    for (Index r = 0; r < rows.count; ++r) {
      t.a = x + r * next;
      multiply_rows(t, panels, f.product[g] + r * f.row, rows.stride,
                    end - first, nullptr, false);
    }
  }
}

// Fetches what a row reads and writes at another position.
template <typename T>
void fetch(const RecurrentForward<T>& a, Index at, Index at_x) {
  fetch_row(a.x, at_x, a.inputs);
  if (a.before == nullptr) return;
  fetch_row(a.gates, at, gates_of(a.cell) * a.units);
  fetch_row(a.before, at, a.units);
  if (a.carried != nullptr) fetch_row(a.carried, at, a.units);
}

template <typename T>
void step_forward(const RecurrentForward<T>& a, const Rows<T>& rows,
                  const Weights<T>& w, const Cell& cell, const Forward<T>& f,
                  Index s, Index t, Index place) {
  const Index height = rows.size / rows.stride;
  const auto multiply = [&](const T* x, Index g) {
    const bool apart = a.cell == RecurrentCell::kGru && g == 2;
    multiply_rows(
        Terms<T>{x, rows.stride, 1, 0, nullptr, 0, 0, a.units, 1},
        Panels<T>{w.recurrent + g * w.each_recurrent, a.units, a.units, 0},
        apart ? f.inner : f.product[g] + place * rows.stride,
        apart ? rows.stride : f.row, height, rows.active, !apart);
  };
  const bool before = a.cell == RecurrentCell::kGruBefore;
  for (Index g = 0; g < (before ? 2 : gates_of(a.cell)); ++g) {
    multiply(f.met, g);
  }
  if (!before) return;
  for (Index r = 0; r < rows.count; ++r) {
    if (rows.masked(a.mask, a.steps, r, t)) continue;
    whole_row(cell, Phase::kReset, row_of(a, rows, f, r, s, t, place), a.units);
  }
  multiply(f.reset, 2);
}

template <typename T>
void forward_rows(const RecurrentForward<T>& a, Rows<T> rows,
                  const Weights<T>& w, Index at_once, T* memory) {
  const Cell cell{a.cell, a.activation, a.recurrent_activation};
  Forward<T> f(rows, a, at_once, memory);
  load_state(rows, a.initial_h, f.h);
  load_state(rows, a.initial_c, f.c);
  if (a.factor != nullptr) load_state(rows, a.factor, f.factor);
  T* own_met = f.met;
  Index first = 0;  // of the positions whose x W is there
  for (Index s = 0; s < a.steps; ++s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    const auto within = [&](Index i) {
      return at_most(at_least(i, 0), a.steps - 1);
    };
    const Index forth = a.backwards ? -1 : 1;
    if (s % f.steps == 0) {
      const Index last = within(t + forth * (f.steps - 1));
      first = at_most(t, last);
      project(a, rows, w, f, first, at_least(t, last) + 1);
    }
    f.met = a.factor == nullptr ? f.h : own_met;
    for (Index i = 0; i < rows.size && a.factor != nullptr; ++i) {
      f.met[i] = f.h[i] * f.factor[i];
    }
    if (rows.look(a.mask, a.steps, t)) {
      step_forward(a, rows, w, cell, f, s, t, t - first);
    }
    for (Index r = 0; r < rows.count; ++r) {
      const ForwardRow<T> row = row_of(a, rows, f, r, s, t, t - first);
      if (rows.masked(a.mask, a.steps, r, t)) {
        copy_states(a, row);
      } else {
        whole_row(cell, Phase::kAll, row, a.units);
      }
      const Index from = (rows.begin + r) * a.steps;
      fetch(a, from + within(t + forth), from + within(t + forth * f.steps));
    }
    T* h = f.h;
    f.h = f.next;
    f.next = h;
    T* c = f.c;
    f.c = f.next_c;
    f.next_c = c;
  }
  store_state(rows, f.h, a.final_h);
  if (a.final_c != nullptr) store_state(rows, f.c, a.final_c);
}

template <typename T>
void forward(const RecurrentForward<T>& a) {
  if (a.batch == 0 || a.units == 0) return;
  const Weights<T> weights(a);
  const Index time = nanoseconds(a, sizeof(T));
  const Index threads = helpful_threads(time);
  const Index each = rows_of_part<T>(a.batch, a.units, threads);
  const Index rows = at_most(each, a.batch);
  const Index at_once = steps_at_once(rows, a.steps);
  const Index size = Forward<T>::size(a, rows, at_once);
  T* memory = static_cast<T*>(
      scratch(Scratch::kRows, std::size_t(threads * size * Index{sizeof(T)})));
  for_parts(
      (a.batch + each - 1) / each, time, threads, [=](Index part, int slot) {
        const Index begin = part * each;
        T* own = memory + slot * size;
        zero_row(own, size);
        forward_rows(a, Rows<T>(begin, at_most(begin + each, a.batch), a.units),
                     weights, at_once, own);
      });
  trim_scratch(Scratch::kRows);
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void recurrent_forward(const RecurrentForward<float>& a) { forward(a); }
void recurrent_forward(const RecurrentForward<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/recurrent_backward.h"
