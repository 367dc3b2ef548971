#pragma once

#include "cpu/denormals.h"
#include "cpu/lanes.h"
#include "cpu/recurrent_product.h"
#include "kernels/recurrent.h"

// What a thread works in: its rows of the batch, padded to whole tiles and
// vectors, so that loops over them have no ends. Each gate is an array of its
// own, (rows, stride).

namespace strop::cpu::STROP_ISA {
namespace {

// Rows that a thread takes through the sequence at a time, and what one array
// of theirs may take: about ten are in use, and L2 has 1 MB.
constexpr Index kMostRows = 256;
constexpr Index kMostBytes = Index{96} << 10;

STROP_HD Index at_least(Index a, Index b) { return a > b ? a : b; }
STROP_HD Index at_most(Index a, Index b) { return a < b ? a : b; }

// Rows that are whole tiles, or one.
STROP_HD Index tiled(Index rows) {
  return rows == 1 ? 1 : (rows + kTileRows - 1) / kTileRows * kTileRows;
}

template <typename T>
STROP_HD Index most_rows(Index units) {
  const Index fit = kMostBytes / (padded(units) * Index{sizeof(T)});
  return at_least(16, at_most(fit / kTileRows * kTileRows, kMostRows));
}

template <typename T>
STROP_HD Index rows_of_part(Index batch, Index units, Index threads) {
  const Index most = most_rows<T>(units);
  const Index parts = at_least((batch + most - 1) / most, threads);
  return at_most(most, tiled((batch + parts - 1) / parts));
}

// About what a sequence takes on one thread: a product of 100 GFLOP/s of
// float32 per step, and 3 ns per unit for its gates.
template <typename Args>
STROP_HD Index nanoseconds(const Args& a, Index element) {
  const Index cells = a.batch * a.steps * a.units;
  return cells * (2 * gates_of(a.cell) * a.units * element / 400 + 3);
}

template <typename T>
struct Rows {
  Index begin, count;                  // of the batch
  Index units, stride;                 // of a row here
  Index size;                          // elements of an array here
  bool active[kMostRows / kTileRows];  // tiles with a row that is not masked

  Rows(Index first, Index end, Index width)
      : begin(first),
        count(end - first),
        units(width),
        stride(padded(width)),
        size(tiled(count) * stride) {}

  bool masked(const bool* mask, Index steps, Index r, Index t) const {
    return mask != nullptr && !mask[(begin + r) * steps + t];
  }

  // Whether any row takes this step.
  bool look(const bool* mask, Index steps, Index t) {
    const Index tiles = (count + kTileRows - 1) / kTileRows;
    bool any = false;
    for (Index i = 0; i < tiles; ++i) {
      active[i] = mask == nullptr;
      for (Index r = i * kTileRows; r < at_most(count, (i + 1) * kTileRows);
           ++r) {
        active[i] = active[i] || mask[(begin + r) * steps + t];
      }
      any = any || active[i];
    }
    return any;
  }
};

template <typename T>
STROP_HD void copy_row(const T* from, T* to, Index n) {
  __builtin_memcpy(to, from, std::size_t(n) * sizeof(T));
}

template <typename T>
STROP_HD void zero_row(T* to, Index n) {
  for (Index i = 0; i < n; ++i) to[i] = 0;
}

// (B, H) to rows; zeros where there is none.
template <typename T>
void load_state(const Rows<T>& rows, const T* state, T* to) {
  for (Index r = 0; r < rows.count; ++r) {
    if (state == nullptr) {
      zero_row(to + r * rows.stride, rows.stride);
    } else {
      copy_row(state + (rows.begin + r) * rows.units, to + r * rows.stride,
               rows.units);
    }
  }
}

template <typename T>
void store_state(const Rows<T>& rows, const T* from, T* state) {
  for (Index r = 0; r < rows.count; ++r) {
    copy_row(from + r * rows.stride, state + (rows.begin + r) * rows.units,
             rows.units);
  }
}

// Fetches a gate of all rows at a step to come, for while a product runs that
// touches no memory. Rows of the batch lie far apart, 200 KB at 200 steps of an
// LSTM of 64 units, and each is read for 1 KB at a time: too little for the
// processor to see a stream.
template <typename T, typename Args>
STROP_HD void prefetch_gate(const T* gates, const Args& a, const Rows<T>& rows,
                            Index g, Index t) {
  const Index n = gates_of(a.cell);
  const Index bytes = a.units * Index{sizeof(T)};
  for (Index r = 0; r < rows.count; ++r) {
    const Index at = ((rows.begin + r) * a.steps + t) * n + g;
    const char* row = reinterpret_cast<const char*>(gates + at * a.units);
    for (Index i = 0; i < bytes; i += 64) __builtin_prefetch(row + i);
  }
}

// Fetches a row of `width`, the at-th, to L2.
template <typename T>
STROP_HD void fetch_row(const T* array, Index at, Index width) {
  const char* row = reinterpret_cast<const char*>(array + at * width);
  const Index bytes = width * Index{sizeof(T)};
  for (Index i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, 0, 2);
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
