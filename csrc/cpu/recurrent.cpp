// Recurrent cells over whole sequences. A step is a product (rows, H) x
// (H, G H), 1 MFLOP at 32 rows of 64 units of an LSTM, far below what is worth
// sharing: threads take rows of the batch through all steps, one region per
// sequence. Half as much time goes into the gates' sigmoid and tanh.
// U is packed once; what a row computes does not depend on the rows beside it.

#include "kernels/recurrent.h"

#include "cpu/parallel.h"
#include "cpu/recurrent_ends.h"
#include "cpu/scratch.h"
#include "kernels/matmul.h"

namespace strop::cpu::STROP_ISA {

// matmul.cpp, of the same set.
void matmul(const Matmul<float>&);
void matmul(const Matmul<double>&);

namespace {

constexpr Index kArrays = 12;  // of a thread's rows

// What the gates take of rows whose backward pass is not wanted.
constexpr Index kGateBytes = Index{16} << 20;

// The gates of U one after another.
template <typename T>
T* pack_kernel(const RecurrentForward<T>& a) {
  const Index gates = gates_of(a.cell);
  const Index each = a.units * padded(a.units);
  const Index bytes = gates * each * Index{sizeof(T)};
  T* packed = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  for (Index g = 0; g < gates; ++g) {
    pack_panels(a.recurrent + g * a.units, gates * a.units, 1, a.units, a.units,
                packed + g * each);
  }
  return packed;
}

// Calls body(rows, memory) with zeroed arrays for each part of the batch.
template <typename T, typename Args, typename Body>
STROP_HD void for_rows(const Args& a, const Body& body) {
  if (a.batch == 0) return;
  const Index time = nanoseconds(a, sizeof(T));
  const Index threads = helpful_threads(time);
  const Index each = rows_of_part<T>(a.batch, a.units, threads);
  const Index size = kArrays * tiled(each) * padded(a.units);
  T* memory = static_cast<T*>(
      scratch(Scratch::kRows, std::size_t(threads * size * Index{sizeof(T)})));
  for_parts(
      (a.batch + each - 1) / each, time, threads, [=](Index part, int slot) {
        const Index begin = part * each;
        T* own = memory + slot * size;
        zero_row(own, size);
        body(Rows<T>(begin, at_most(begin + each, a.batch), a.units), own);
      });
  trim_scratch(Scratch::kRows);
  trim_scratch(Scratch::kPacked);
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

// Of a GRU, inside its reset gate.
template <typename T>
STROP_HD const T* inner_bias(const RecurrentForward<T>& a) {
  return a.bias == nullptr ? nullptr : a.bias + 5 * a.units;
}

template <typename T>
ForwardRow<T> row_of(const RecurrentForward<T>& a, const Rows<T>& rows,
                     const Forward<T>& f, Index r, Index s, Index t) {
  const bool save = a.before != nullptr;
  const Index at = (rows.begin + r) * a.steps + t;
  const Index own = r * rows.stride;
  ForwardRow<T> row;
  row.gates = a.gates + at * gates_of(a.cell) * a.units;
  row.bias = a.cell == RecurrentCell::kGru ? inner_bias(a) : nullptr;
  row.out = a.out == nullptr
                ? nullptr
                : a.out + ((rows.begin + r) * a.steps + s) * a.units;
  row.before = save ? a.before + at * a.units : nullptr;
  row.carried = a.carried == nullptr ? nullptr : a.carried + at * a.units;
  row.save = save;
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
      const bool masked = rows.masked(a.mask, a.steps, r, t);
      if (masked) {
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

// x W + bias of all steps; of a GRU's two biases the sum, but inside its reset
// gate.
template <typename T>
void project(const RecurrentForward<T>& a) {
  const Index n = gates_of(a.cell) * a.units;
  const T* bias = a.bias;
  if (bias != nullptr && a.cell == RecurrentCell::kGru) {
    const std::size_t bytes = std::size_t(n * Index{sizeof(T)});
    T* sum = static_cast<T*>(scratch(Scratch::kRows, bytes));
    for (Index i = 0; i < n; ++i) {
      sum[i] = i < 2 * a.units ? bias[i] + bias[n + i] : bias[i];
    }
    bias = sum;
  }
  matmul(Matmul<T>{a.x, a.kernel, bias, a.gates, a.batch * a.steps, n, a.inputs,
                   false, false, Activation::kLinear});
}

template <typename T>
void whole_batch(const RecurrentForward<T>& a) {
  project(a);
  const T* packed = pack_kernel(a);
  for_rows<T>(a, [=](const Rows<T>& rows, T* memory) {
    forward_rows(a, rows, packed, memory);
  });
}

// Where nothing is kept, the gates of some rows at a time are: half of L3, not
// 4 GB for 20,000 rows of 200 steps of 64 units.
template <typename T>
void forward(RecurrentForward<T> a) {
  if (a.batch == 0 || a.units == 0) return;
  if (a.before != nullptr) return whole_batch(a);
  const Index row = a.steps * gates_of(a.cell) * a.units * Index{sizeof(T)};
  const Index fit = at_least(kGateBytes / at_least(row, 1), 64);
  const Index parts = (a.batch + fit - 1) / fit;
  const Index each = tiled((a.batch + parts - 1) / parts);
  a.gates = static_cast<T*>(
      scratch(Scratch::kSequence, std::size_t(at_most(each, a.batch) * row)));
  for (Index left = a.batch; left > 0; left -= each) {
    a.batch = at_most(each, left);
    whole_batch(a);
    a.x += each * a.steps * a.inputs;
    if (a.mask != nullptr) a.mask += each * a.steps;
    if (a.out != nullptr) a.out += each * a.steps * a.units;
    const T** read[] = {&a.initial_h, &a.initial_c, &a.factor};
    for (const T** state : read) {
      if (*state != nullptr) *state += each * a.units;
    }
    a.final_h += each * a.units;
    if (a.final_c != nullptr) a.final_c += each * a.units;
  }
  trim_scratch(Scratch::kSequence);
}

}  // namespace

void recurrent_forward(const RecurrentForward<float>& a) { forward(a); }
void recurrent_forward(const RecurrentForward<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/recurrent_backward.h"
