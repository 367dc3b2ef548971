// Recurrent cells over whole sequences. A step is a product (rows, D + H) x
// (D + H, G H), 2 MFLOP at 32 rows of 64 inputs and units of an LSTM, far below
// what is worth sharing: threads take rows of the batch through all steps, one
// region per sequence. A quarter as much time goes into the gates' sigmoid and
// tanh. The weights are packed once; what a row computes does not depend on the
// rows beside it.

#include "kernels/recurrent.h"

#include "cpu/parallel.h"
#include "cpu/recurrent_ends.h"
#include "cpu/recurrent_states.h"
#include "cpu/scratch.h"

namespace strop::cpu::STROP_ISA {
namespace {

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
  row.h = f.h + r * f.wide + f.lead;
  row.met = f.met + r * f.wide + f.lead;
  row.c = f.c + own;
  row.next = f.next + r * f.wide + f.lead;
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

// Gate g of the packed weights, from a row of [W; U] on.
template <typename T>
STROP_HD Panels<T> panels_of(const RecurrentForward<T>& a, const T* packed,
                             Index g, Index first) {
  const Index depth = a.inputs + a.units;
  return {packed + g * depth * padded(a.units), depth, a.units, first};
}

// x W of positions [first, end).
template <typename T>
void project(const RecurrentForward<T>& a, const Rows<T>& rows, const T* packed,
             const Forward<T>& f, Index first, Index end) {
  for (Index g = 0; g < gates_of(a.cell); ++g) {
    for (Index r = 0; r < rows.count; ++r) {
      const T* x = a.x + ((rows.begin + r) * a.steps + first) * a.inputs;
      multiply_rows(Terms<T>{x, a.inputs, 1, 0, nullptr, 0, 0, a.inputs, 1},
                    panels_of(a, packed, g, 0), f.product[g] + r * f.row,
                    rows.stride, end - first, nullptr, false);
    }
  }
}

// What meets the weights: x where it stands before h, and h times the factor.
template <typename T>
void meet(const RecurrentForward<T>& a, const Rows<T>& rows, Forward<T>& f,
          T* own, Index t) {
  f.met = a.factor == nullptr ? f.h : own;
  for (Index r = 0; r < rows.count; ++r) {
    T* to = f.met + r * f.wide;
    copy_row(a.x + ((rows.begin + r) * a.steps + t) * a.inputs, to, f.lead);
    if (a.factor == nullptr) continue;
    const T* h = f.h + r * f.wide + f.lead;
    for (Index i = 0; i < rows.stride; ++i) {
      to[f.lead + i] = h[i] * f.factor[r * rows.stride + i];
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
                  const T* packed, const Cell& cell, const Forward<T>& f,
                  Index s, Index t, Index place) {
  const Index height = rows.size / rows.stride;
  // `depth` of x, from `skip` of [W; U] on.
  const auto multiply = [&](const T* x, Index row, Index depth, Index g,
                            Index skip, bool add) {
    multiply_rows(Terms<T>{x, row, 1, 0, nullptr, 0, 0, depth, 1},
                  panels_of(a, packed, g, skip),
                  f.product[g] + place * rows.stride, f.row, height,
                  rows.active, add);
  };
  const bool apart = f.steps > 1;  // x W is there
  const Index whole = is_gru(a.cell) ? 2 : gates_of(a.cell);
  for (Index g = 0; g < whole; ++g) {
    multiply(f.met, f.wide, f.lead + a.units, g, a.inputs - f.lead, apart);
  }
  if (!is_gru(a.cell)) return;
  if (!apart) multiply(f.met, f.wide, a.inputs, 2, 0, false);
  if (a.cell == RecurrentCell::kGru) {
    multiply_rows(
        Terms<T>{f.met + f.lead, f.wide, 1, 0, nullptr, 0, 0, a.units, 1},
        panels_of(a, packed, 2, a.inputs), f.inner, rows.stride, height,
        rows.active, false);
    return;
  }
  for (Index r = 0; r < rows.count; ++r) {
    if (rows.masked(a.mask, a.steps, r, t)) continue;
    whole_row(cell, Phase::kReset, row_of(a, rows, f, r, s, t, place), a.units);
  }
  multiply(f.reset, rows.stride, a.units, 2, a.inputs, true);
}

template <typename T>
void forward_rows(const RecurrentForward<T>& a, Rows<T> rows, const T* packed,
                  Index at_once, T* memory) {
  const Cell cell{a.cell, a.activation, a.recurrent_activation};
  Forward<T> f(rows, a, at_once, memory);
  load_state(rows, a.initial_h, f.h + f.lead, f.wide);
  load_state(rows, a.initial_c, f.c, rows.stride);
  if (a.factor != nullptr) load_state(rows, a.factor, f.factor, rows.stride);
  T* own_met = f.met;
  Index first = 0;  // of the positions whose x W is there
  for (Index s = 0; s < a.steps; ++s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    const auto within = [&](Index i) {
      return at_most(at_least(i, 0), a.steps - 1);
    };
    const Index forth = a.backwards ? -1 : 1;
    if (f.steps == 1) {
      first = t;
    } else if (s % f.steps == 0) {
      const Index last = within(t + forth * (f.steps - 1));
      first = at_most(t, last);
      project(a, rows, packed, f, first, at_least(t, last) + 1);
    }
    meet(a, rows, f, own_met, t);
    if (rows.look(a.mask, a.steps, t)) {
      step_forward(a, rows, packed, cell, f, s, t, t - first);
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
  store_state(rows, f.h + f.lead, f.wide, a.final_h);
  if (a.final_c != nullptr) store_state(rows, f.c, rows.stride, a.final_c);
}

template <typename T>
void forward(const RecurrentForward<T>& a) {
  if (a.batch == 0 || a.units == 0) return;
  const T* packed = pack_weights(a);
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
                     packed, at_once, own);
      });
  trim_scratch(Scratch::kRows);
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void recurrent_forward(const RecurrentForward<float>& a) { forward(a); }
void recurrent_forward(const RecurrentForward<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/recurrent_backward.h"
