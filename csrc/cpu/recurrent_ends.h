#pragma once

#include "cpu/recurrent_cells.h"

// Whole rows: their whole registers, and the units that are left, which go
// through copies. Masks in every load would make the code four times as large.

namespace strop::cpu::STROP_ISA {
namespace {

struct Cell {
  RecurrentCell cell;
  Activation activation, recurrent;
};

// Which part of a step: the reset state of kGruBefore has a product of its own.
enum class Phase { kReset, kAll };

template <bool kUsual, typename T>
STROP_HD void groups(const Functions<kUsual, T>& f, RecurrentCell cell,
                     Phase phase, const ForwardRow<T>& row, Index units,
                     Index count) {
  if (phase == Phase::kReset) return reset_row(f, row, units, count);
  switch (cell) {
    case RecurrentCell::kSimple:
      return simple_row(f, row, count);
    case RecurrentCell::kLstm:
      return lstm_row(f, row, units, count);
    default:
      return gru_row(f, row, cell == RecurrentCell::kGruBefore, units, count);
  }
}

template <bool kUsual, typename T>
STROP_HD void groups(const Functions<kUsual, T>& f, RecurrentCell cell,
                     Phase phase, const BackwardRow<T>& row, Index units,
                     Index count) {
  if (phase == Phase::kReset) return reset_gradients(f, row, units, count);
  switch (cell) {
    case RecurrentCell::kSimple:
      return simple_gradients(f, row, count);
    case RecurrentCell::kLstm:
      return lstm_gradients(f, row, units, count);
    default:
      return gru_gradients(f, row, cell == RecurrentCell::kGruBefore, units,
                           count);
  }
}

// Tanh and sigmoid inlined where they are wanted, of float.
template <typename T, typename Row>
__attribute__((noinline)) void groups(const Cell& c, Phase phase,
                                      const Row& row, Index units,
                                      Index count) {
  if constexpr (sizeof(T) == 4) {
    if (c.activation == Activation::kTanh &&
        c.recurrent == Activation::kSigmoid) {
      return groups(Functions<true, T>{c.activation, c.recurrent}, c.cell,
                    phase, row, units, count);
    }
  }
  groups(Functions<false, T>{c.activation, c.recurrent}, c.cell, phase, row,
         units, count);
}

// One array of the last units: a copy in, or out; nothing where there is none.
template <typename T>
struct End {
  T values[4 * kGroup<T>] = {};

  T* read(const T* from, Index gates, Index units, Index n) {
    if (from == nullptr) return nullptr;
    for (Index g = 0; g < gates; ++g) {
      for (Index j = 0; j < n; ++j) {
        values[g * kGroup<T> + j] = from[g * units + j];
      }
    }
    return values;
  }
  void write(T* to, Index gates, Index units, Index n) const {
    for (Index g = 0; g < gates && to != nullptr; ++g) {
      for (Index j = 0; j < n; ++j)
        to[g * units + j] = values[g * kGroup<T> + j];
    }
  }
};

template <typename T>
STROP_HD T* from(T* p, Index i) {
  return p == nullptr ? nullptr : p + i;
}

template <typename T>
void whole_row(const Cell& c, Phase phase, ForwardRow<T> row, Index units) {
  const Index i = units / kGroup<T> * kGroup<T>;
  const Index n = units - i;
  groups<T>(c, phase, row, units, i / kGroup<T>);
  if (n == 0) return;
  const Index gates = gates_of(c.cell);
  End<T> gate, bias, out, before, carried;
  T* const gates_at = row.gates + i;
  T* const out_at = from(row.out, i);
  T* const before_at = from(row.before, i);
  T* const carried_at = from(row.carried, i);
  row.gates = gate.read(gates_at, gates, units, n);
  row.bias = bias.read(from(row.bias, i), 1, units, n);
  row.out = out_at == nullptr ? nullptr : out.values;
  row.before = before.values;
  row.carried = carried.values;
  for (auto& product : row.product) product += i;
  row.h += i;
  row.met += i;
  row.c += i;
  row.next += i;
  row.next_c += i;
  row.reset += i;
  groups<T>(c, phase, row, kGroup<T>, 1);
  if (phase == Phase::kAll) out.write(out_at, 1, units, n);
  if (!row.save) return;
  gate.write(gates_at, gates, units, n);
  if (phase == Phase::kAll) before.write(before_at, 1, units, n);
  // The reset state is written in its own phase, and not again.
  if (phase == Phase::kReset || c.cell != RecurrentCell::kGruBefore) {
    carried.write(carried_at, 1, units, n);
  }
}

template <typename T>
void whole_row(const Cell& c, Phase phase, BackwardRow<T> row, Index units) {
  const Index i = units / kGroup<T> * kGroup<T>;
  const Index n = units - i;
  groups<T>(c, phase, row, units, i / kGroup<T>);
  if (n == 0) return;
  const Index gates = gates_of(c.cell);
  End<T> gate, before, carried, before_c;
  row.gates = gate.read(row.gates + i, gates, units, n);
  row.before = before.read(row.before + i, 1, units, n);
  row.carried = carried.read(from(row.carried, i), 1, units, n);
  row.before_c = before_c.read(from(row.before_c, i), 1, units, n);
  row.factor = from(row.factor, i);
  row.grad_h += i;
  row.grad_c += i;
  row.direct += i;
  row.by_met += i;
  for (auto& each : row.grad) each = from(each, i);
  groups<T>(c, phase, row, kGroup<T>, 1);
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
