// Recurrent cells over whole sequences. A step is a product (rows, H) x
// (H, G H), 1 MFLOP at 32 rows of 64 units of an LSTM, far below what is worth
// sharing: threads take rows of the batch through all steps, one region per
// sequence. Half as much time goes into the gates' sigmoid and tanh.
// U is packed once; what a row computes does not depend on the rows beside it.

#include "kernels/recurrent.h"

#include "cpu/parallel.h"
#include "cpu/recurrent_rows.h"
#include "cpu/scratch.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kArrays = 17;  // of a thread's rows

// The gates of U one after another, each packed for h U; or for d U^T.
template <typename T>
T* pack_kernel(const T* kernel, Index units, Index gates, bool transposed) {
  const Index each = units * padded<T>(units);
  const Index bytes = gates * each * Index{sizeof(T)};
  T* packed = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  for (Index g = 0; g < gates; ++g) {
    const T* from = kernel + g * units;
    const Index row = gates * units;
    pack_square(from, transposed ? 1 : row, transposed ? row : 1, units,
                packed + g * each);
  }
  return packed;
}

// Calls body(rows, memory) with zeroed arrays for each part of the batch.
template <typename T, typename Args, typename Body>
STROP_HD void for_rows(const Args& a, const Body& body) {
  const Index time = nanoseconds(a, sizeof(T));
  const Index threads = helpful_threads(time);
  const Index each = rows_of_part<T>(a.batch, a.units, threads);
  const Index size = kArrays * tiled(each) * padded<T>(a.units);
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

template <typename T>
struct Forward {
  T* gate[4];
  T *h, *next, *c, *next_c, *factor, *product;
};

template <typename T>
void load_gates(const RecurrentForward<T>& a, const Rows<T>& rows, Index t,
                const Forward<T>& f) {
  const Index gates = gates_of(a.cell);
  for (Index r = 0; r < rows.count; ++r) {
    const T* from =
        a.gates + ((rows.begin + r) * a.steps + t) * gates * a.units;
    for (Index g = 0; g < gates; ++g) {
      copy_row(from + g * a.units, f.gate[g] + r * rows.stride, a.units);
    }
    if (a.cell != RecurrentCell::kGru) continue;
    if (a.bias == nullptr) {
      zero_row(f.gate[3] + r * rows.stride, rows.stride);
    } else {
      copy_row(a.bias, f.gate[3] + r * rows.stride, a.units);
    }
  }
}

// One step of all rows: `next` and, of an LSTM, `next_c`.
template <typename T>
void step_forward(const RecurrentForward<T>& a, const Rows<T>& rows,
                  const T* packed, const Forward<T>& f) {
  const Index n = rows.size;
  const Index each = a.units * rows.stride;
  const Index height = n / rows.stride;
  const T* h = f.h;
  if (a.factor != nullptr) {
    for (Index i = 0; i < n; ++i) f.product[i] = f.h[i] * f.factor[i];
    h = f.product;
  }
  const auto multiply = [&](const T* x, Index g, T* to) {
    add_product(x, packed + g * each, to, height, a.units, rows.active);
  };
  const bool before = a.cell == RecurrentCell::kGruBefore;
  for (Index g = 0; g < (before ? 2 : gates_of(a.cell)); ++g) {
    multiply(h, g, f.gate[a.cell == RecurrentCell::kGru && g == 2 ? 3 : g]);
  }
  T* __restrict next = f.next;
  const T* __restrict one = f.gate[0];
  const T* __restrict two = f.gate[1];
  T* __restrict three = f.gate[2];
  T* __restrict four = f.gate[3];
  if (a.cell == RecurrentCell::kSimple) {
    activate_all(a.activation, f.gate[0], f.gate[0], n);
    for (Index i = 0; i < n; ++i) next[i] = one[i];
    return;
  }
  activate_all(a.recurrent_activation, f.gate[0], f.gate[0], 2 * n);
  if (a.cell == RecurrentCell::kLstm) {
    activate_all(a.activation, f.gate[2], f.gate[2], n);
    activate_all(a.recurrent_activation, f.gate[3], f.gate[3], n);
    T* __restrict c = f.next_c;
    for (Index i = 0; i < n; ++i) c[i] = two[i] * f.c[i] + one[i] * three[i];
    activate_all(a.activation, f.next_c, f.next, n);
    for (Index i = 0; i < n; ++i) next[i] *= four[i];
    return;
  }
  if (before) {
    for (Index i = 0; i < n; ++i) four[i] = two[i] * h[i];
    multiply(f.gate[3], 2, f.gate[2]);
  } else {
    for (Index i = 0; i < n; ++i) three[i] += two[i] * four[i];
  }
  activate_all(a.activation, f.gate[2], f.gate[2], n);
  for (Index i = 0; i < n; ++i) {
    next[i] = one[i] * f.h[i] + (1 - one[i]) * three[i];
  }
}

template <typename T>
void store_step(const RecurrentForward<T>& a, const Rows<T>& rows, Index s,
                Index t, const Forward<T>& f) {
  const Index gates = gates_of(a.cell);
  for (Index r = 0; r < rows.count; ++r) {
    const Index at = (rows.begin + r) * a.steps + t;
    const Index own = r * rows.stride;
    const bool masked = a.mask != nullptr && !a.mask[at];
    if (masked) {
      copy_row(f.h + own, f.next + own, a.units);
      copy_row(f.c + own, f.next_c + own, a.units);
    }
    if (a.out != nullptr) {
      T* out = a.out + ((rows.begin + r) * a.steps + s) * a.units;
      if (masked && a.zeros) {
        zero_row(out, a.units);
      } else {
        copy_row(f.next + own, out, a.units);
      }
    }
    if (a.previous == nullptr) continue;
    const T* met = a.factor == nullptr || is_gru(a.cell) ? f.h : f.product;
    copy_row(met + own, a.previous + at * a.units, a.units);
    if (a.carried != nullptr) {
      const T* carried = a.cell == RecurrentCell::kLstm ? f.next_c : f.gate[3];
      copy_row(carried + own, a.carried + at * a.units, a.units);
    }
    for (Index g = 0; g < gates && !masked; ++g) {
      copy_row(f.gate[g] + own, a.gates + (at * gates + g) * a.units, a.units);
    }
  }
}

template <typename T>
void forward_rows(const RecurrentForward<T>& a, Rows<T> rows, const T* packed,
                  T* memory) {
  const auto array = [&](int i) { return memory + i * rows.size; };
  Forward<T> f{{array(0), array(1), array(2), array(3)},
               array(4),
               array(5),
               array(6),
               array(7),
               array(8),
               array(9)};
  load_state(rows, a.initial_h, f.h);
  load_state(rows, a.initial_c, f.c);
  if (a.factor != nullptr) load_state(rows, a.factor, f.factor);
  for (Index s = 0; s < a.steps; ++s) {
    const Index t = a.backwards ? a.steps - 1 - s : s;
    if (rows.look(a.mask, a.steps, t)) {
      load_gates(a, rows, t, f);
      step_forward(a, rows, packed, f);
    }
    store_step(a, rows, s, t, f);
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
  const T* packed = pack_kernel(a.kernel, a.units, gates_of(a.cell), false);
  for_rows<T>(a, [=](const Rows<T>& rows, T* memory) {
    forward_rows(a, rows, packed, memory);
  });
}

}  // namespace

void recurrent_forward(const RecurrentForward<float>& a) { forward(a); }
void recurrent_forward(const RecurrentForward<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/recurrent_backward.h"
