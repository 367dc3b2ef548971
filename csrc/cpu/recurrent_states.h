#pragma once

#include "cpu/recurrent_product.h"
#include "cpu/recurrent_rows.h"
#include "cpu/scratch.h"

// What the forward pass works in: the packed weights, and a thread's states and
// products.

namespace strop::cpu::STROP_ISA {
namespace {

// With so many rows a step is one product, of x and h side by side with W above
// U. Of fewer rows x W is a product over several steps, to which each adds its
// h U: W is read less often. An element is the same sum over x and then h.
constexpr Index kProductRows = 16;

STROP_HD Index steps_at_once(Index rows, Index steps) {
  if (rows >= kProductRows) return 1;
  return at_most(up_to((kProductRows + rows - 1) / rows, kTileRows), steps);
}

// W above U, a gate after the other.
template <typename T>
T* pack_weights(const RecurrentForward<T>& a) {
  const Index gates = gates_of(a.cell);
  const Index each = (a.inputs + a.units) * padded(a.units);
  const Index bytes = gates * each * Index{sizeof(T)};
  T* packed = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  for (Index g = 0; g < gates; ++g) {
    const Index at = g * a.units;
    const Index row = gates * a.units;
    pack_panels(Halves<T>{a.kernel + at, a.inputs, a.recurrent + at}, row, 1,
                a.inputs + a.units, a.units, packed + g * each);
  }
  return packed;
}

// A thread's arrays. `product`: x W of some steps, (rows, steps, stride) of
// each gate, to which a step adds h U; or both of one step. `h`, `next` and
// `met` have x before them, `lead` of it: where a step is one product.
template <typename T>
struct Forward {
  T* product[4];
  T *h, *next, *met, *c, *next_c, *reset, *factor, *inner, *bias;
  Index steps, row;  // at once; from one row of a product to the next
  Index lead, wide;  // inputs beside h; such a row

  static Index lead_of(const RecurrentForward<T>& a, Index steps) {
    return steps == 1 ? a.inputs : 0;
  }
  static Index size(const RecurrentForward<T>& a, Index rows, Index steps) {
    const Index gates = gates_of(a.cell);
    const Index stride = padded(a.units);
    return tiled(rows) *
               ((8 + gates * steps) * stride + 3 * lead_of(a, steps)) +
           up_to(gates * a.units, 16);
  }
  Forward(const Rows<T>& rows, const RecurrentForward<T>& a, Index at_once,
          T* memory)
      : steps(at_once),
        row(at_once * rows.stride),
        lead(lead_of(a, at_once)),
        wide(lead + rows.stride) {
    const Index height = rows.size / rows.stride;
    T** joint[] = {&h, &next, &met};
    for (T** array : joint) {
      *array = memory;
      memory += height * wide;
    }
    T** all[] = {&c, &next_c, &reset, &factor, &inner};
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

}  // namespace
}  // namespace strop::cpu::STROP_ISA
