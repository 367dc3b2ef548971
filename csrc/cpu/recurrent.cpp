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

constexpr Index kArrays = 11;  // of a thread's rows

// The gates of U one after another.
template <typename T>
T* pack_recurrent(const T* recurrent, Index units, Index gates) {
  const Index each = units * padded(units);
  const Index bytes = gates * each * Index{sizeof(T)};
  T* packed = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  for (Index g = 0; g < gates; ++g) {
    pack_panels(recurrent + g * units, gates * units, 1, units, units,
                packed + g * each);
  }
  return packed;
}

// A thread's arrays.
template <typename T>
struct Forward {
  T* product[4];
  T *h, *next, *c, *next_c, *reset, *factor, *met;

  Forward(const Rows<T>& rows, T* memory) {
    T** all[] = {&product[0], &product[1], &product[2], &product[3], &h,  &next,
                 &c,          &next_c,     &reset,      &factor,     &met};
    for (Index i = 0; i < Index(sizeof all / sizeof all[0]); ++i) {
      *all[i] = memory + i * rows.size;
    }
  }
};

template <typename T>
ForwardRow<T> row_of(const RecurrentForward<T>& a, const Rows<T>& rows,
                     const Forward<T>& f, Index r, Index s, Index t) {
  const Index at = (rows.begin + r) * a.steps + t;
  const Index own = r * rows.stride;
  const auto by_position = [=](T* array) {
    return array == nullptr ? nullptr : array + at * a.units;
  };
  ForwardRow<T> row;
  row.gates = a.gates + at * gates_of(a.cell) * a.units;
  row.bias = a.bias;
  row.out = a.out == nullptr
                ? nullptr
                : a.out + ((rows.begin + r) * a.steps + s) * a.units;
  row.before = by_position(a.before);
  row.carried = by_position(a.carried);
  row.save = a.before != nullptr;
  for (int g = 0; g < 4; ++g) row.product[g] = f.product[g] + own;
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

template <typename T>
void forward_rows(const RecurrentForward<T>& a, Rows<T> rows, const T* packed,
                  T* memory) {
  const Cell cell{a.cell, a.activation, a.recurrent_activation};
  Forward<T> f(rows, memory);
  load_state(rows, a.initial_h, f.h);
  load_state(rows, a.initial_c, f.c);
  if (a.factor != nullptr) load_state(rows, a.factor, f.factor);
  const Index gates = gates_of(a.cell);
  const bool before = a.cell == RecurrentCell::kGruBefore;
  const Index height = rows.size / rows.stride;
  T* own_met = f.met;
  for (Index s = 0; s < a.steps; ++s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    const Index next = at_most(s + 1, a.steps - 1);
    const Index ahead = a.backwards ? a.steps - 1 - next : next;
    const auto multiply = [&](const T* x, Index g) {
      prefetch_gate(a.gates, a, rows, g, ahead);
      multiply_rows(
          Terms<T>{x, rows.stride, 1, 0, nullptr, 0, 0, a.units, 1},
          Panels<T>{packed + g * a.units * rows.stride, a.units, a.units, 0},
          f.product[g], rows.stride, height, rows.active, false);
    };
    f.met = a.factor == nullptr ? f.h : own_met;
    for (Index i = 0; i < rows.size && a.factor != nullptr; ++i) {
      f.met[i] = f.h[i] * f.factor[i];
    }
    if (rows.look(a.mask, a.steps, t)) {
      for (Index g = 0; g < (before ? 2 : gates); ++g) multiply(f.met, g);
      if (before) {
        for (Index r = 0; r < rows.count; ++r) {
          if (rows.masked(a.mask, a.steps, r, t)) continue;
          whole_row(cell, Phase::kReset, row_of(a, rows, f, r, s, t), a.units);
        }
        multiply(f.reset, 2);
      }
    }
    for (Index r = 0; r < rows.count; ++r) {
      const ForwardRow<T> row = row_of(a, rows, f, r, s, t);
      if (rows.masked(a.mask, a.steps, r, t)) {
        copy_states(a, row);
      } else {
        whole_row(cell, Phase::kAll, row, a.units);
      }
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
  const T* packed = pack_recurrent(a.recurrent, a.units, gates_of(a.cell));
  const Index time = nanoseconds(a, sizeof(T));
  const Index threads = helpful_threads(time);
  const Index each = rows_of_part<T>(a.batch, a.units, threads);
  const Index size = kArrays * tiled(at_most(each, a.batch)) * padded(a.units);
  T* memory = static_cast<T*>(
      scratch(Scratch::kRows, std::size_t(threads * size * Index{sizeof(T)})));
  for_parts(
      (a.batch + each - 1) / each, time, threads, [=](Index part, int slot) {
        const Index begin = part * each;
        T* own = memory + slot * size;
        zero_row(own, size);
        forward_rows(a, Rows<T>(begin, at_most(begin + each, a.batch), a.units),
                     packed, own);
      });
  trim_scratch(Scratch::kRows);
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void recurrent_forward(const RecurrentForward<float>& a) { forward(a); }
void recurrent_forward(const RecurrentForward<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/recurrent_backward.h"
