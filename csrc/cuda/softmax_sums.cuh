#pragma once

#include "cuda/softmax_rows.cuh"
#include "math/elementary.h"

// The sum of a row, and the launch with the row that its length asks for.

namespace strop::cuda {

// ---- sums ------------------------------------------------------------------

template <typename T>
struct RowSum {
  T top;       // the greatest logit
  double sum;  // of e^(x - top)
};

// Also calls also(c, pack) for each pack. If the row keeps anything and is to
// keep the powers, they take the place of the logits.
template <typename Row, typename F>
__device__ __forceinline__ RowSum<typename Row::T> sum_of(Row& row, bool powers,
                                                          const F& also) {
  using T = typename Row::T;
  T top = -INFINITY, sum = 0;
  const auto greatest = [](T so_far, const Pack<T>& p) {
#pragma unroll
    for (const T v : p.v) so_far = GreaterNumber{}(v, so_far);
    return so_far;
  };
  if constexpr (Row::kOnline) {
    row.first([&](Index c, int, const Pack<T>& p) {
      also(c, p);
      const T now = greatest(top, p);
      if (now > top) sum *= exponential_below(top - now);
      top = now;
#pragma unroll
      for (const T v : p.v) {
        // So far there may be nothing but impossible classes.
        sum += v == -INFINITY ? T(0) : exponential_below(v - top);
      }
    });
    const T own = top;
    top = row.over(top, GreaterNumber{});
    sum *= exponential_below(own - top);
  } else {
    row.first([&](Index, int, const Pack<T>& p) { top = greatest(top, p); });
    top = row.over(top, GreaterNumber{});
    row.each([&](Index c, int, Pack<T>& p) {
      also(c, p);
#pragma unroll
      for (T& v : p.v) {
        const T power = exponential_below(v - top);
        sum += power;
        if (powers) v = power;
      }
    });
  }
  return {top, row.over(double(sum), Plus{})};
}

// e^(x - top) of what the row has in the place of x after sum_of.
template <typename Row, typename T>
__device__ __forceinline__ T power_of(T v, T top) {
  return Row::kKeeps ? v : exponential_below(v - top);
}

// ---- launches --------------------------------------------------------------

template <typename T>
unsigned lane_bits(Index classes) {
  unsigned bits = 0;
  while (bits < 5 && (Pack<T>::kSize << bits) < classes) ++bits;
  return bits;
}

// Blocks for so many rows, which are the parts of a loss.
template <typename T>
Index blocks_of_rows(Index rows, Index classes) {
  if (classes > kRegisterClasses<T>) return rows;
  return blocks_for(rows, kBlock >> lane_bits<T>(classes));
}

template <typename R>
struct RowKind {
  using Row = R;
};

// run(kind, shape) with the row of registers that serves them.
template <typename T, typename F>
void in_registers(const Rows& shape, const F& run) {
  const Index packs = blocks_for(shape.classes, kWarp * Pack<T>::kSize);
  if (packs <= 1) return run(RowKind<RegisterRow<T, 1>>{}, shape);
  if constexpr (sizeof(T) == 4) {
    if (packs <= 4) return run(RowKind<RegisterRow<T, 4>>{}, shape);
    run(RowKind<RegisterRow<T, 8>>{}, shape);
  }
}

template <typename T, typename... P>
Rows rows_of(Index rows, Index classes, const P*... pointers) {
  return {rows, classes, lane_bits<T>(classes),
          wide(pointers...) && classes % Pack<T>::kSize == 0};
}

// The same with a row of any length that is read anew for each pass.
template <typename T, typename F>
void with_read_rows(const Rows& shape, const F& run) {
  if (shape.classes <= kRegisterClasses<T>) return in_registers<T>(shape, run);
  if (sizeof(T) == 8 || shape.classes <= kSmallClasses) {
    return run(RowKind<ReadRow<T, kBlock, false>>{}, shape);
  }
  if constexpr (sizeof(T) == 4) {
    run(RowKind<ReadRow<T, kLongThreads, false>>{}, shape);
  }
}

template <typename Row>
std::size_t shared_bytes(const Rows& shape) {
  using P = Pack<typename Row::T>;
  return Row::kShares ? std::size_t(blocks_for(shape.classes, P::kSize)) * 16
                      : 0;
}

// The same with the row that keeps the most.
template <typename T, typename F>
void with_rows(const char* op, const Rows& shape, const F& run) {
  if constexpr (sizeof(T) == 8) {
    with_read_rows<T>(shape, run);
  } else {
    using Shared = SharedRow<T, kLongThreads>;
    if (shape.classes <= kRegisterClasses<T>) {
      return in_registers<T>(shape, run);
    }
    if (shape.classes <= kSmallClasses) {
      return run(RowKind<SharedRow<T, kBlock>>{}, shape);
    }
    if (shape.classes > kSharedClasses) {
      return run(RowKind<ReadRow<T, kLongThreads, true>>{}, shape);
    }
    // Beside the row the kernel has less than 1 KB.
    if (Index(shared_bytes<Shared>(shape)) + 1024 <= most_shared(op)) {
      return run(RowKind<Shared>{}, shape);
    }
    run(RowKind<ReadRow<T, kLongThreads, false>>{}, shape);
  }
}

}  // namespace strop::cuda
