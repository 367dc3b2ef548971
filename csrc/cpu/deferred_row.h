#pragma once

#include "cpu/adam_update.h"
#include "kernels/deferred_adam.h"
#include "math/deferred_adam.h"

// One row of a table under the deferred Adam: across its gap by the polynomial,
// or step by step where that is not exact enough.

namespace strop::cpu::STROP_ISA {
namespace {

template <typename T>
struct Row {
  T* param;
  T* moment1;
  T* moment2;
  T* max_moment2;  // or null
  const T* root;   // what the square root is taken of
};

template <typename T>
STROP_HD Row<T> row_of(const DeferredAdamCatchUp<T>& a, Index id) {
  const Index at = id * a.stride;
  T* top = a.max_moment2 ? a.max_moment2 + at : nullptr;
  return {a.param + at, a.moment1 + at, a.moment2 + at, top,
          top ? top : a.moment2 + at};
}

// The gap from the step of entry `place` over k steps.
template <int P, typename T>
STROP_HD AdamGap<T> gap_of(const AdamHistory<T>& h, Index place, Index k) {
  AdamGap<T> gap;
  const T* c = h.coefficients + place * (P + 1);
  for (int i = 0; i <= P; ++i) gap.coefficients[i] = c[i];
  set_gap<P>(gap, h, place, k);
  return gap;
}

// Calls body(d, n) for the blocks of a row. Blocks of a known length spare the
// short loop its checks.
template <typename Body>
STROP_HD void for_blocks(Index width, const Body& body) {
  Index d = 0;
  for (; d + kRowBlock <= width; d += kRowBlock) body(d, kRowBlock);
  if (d < width) body(d, width - d);
}

// A row across the gap: the parameters go to `out`, which may be `param`, and
// the moments on by their powers where they are to be kept.
template <int P, bool kKeep, typename T>
STROP_HD void cross(T* out, const T* param, T* moment1, T* moment2,
                    const T* root, Index width, const AdamGap<T>& gap) {
  for_blocks(width, [&](Index begin, Index n) {
#pragma GCC ivdep
    for (Index d = begin; d < begin + n; ++d) {
      out[d] = adam_gap_param<P>(param[d], moment1[d], root[d], gap);
      if (kKeep) {
        moment1[d] *= gap.power1;
        moment2[d] *= gap.power2;
      }
    }
  });
}

// A step for a row whose parameters at the step before are known, and whose
// moments still stand at the beginning of the gap.
template <bool kTop, typename T>
STROP_HD void step_from(T* __restrict param, T* __restrict moment1,
                        T* __restrict moment2, T* __restrict max_moment2,
                        const T* __restrict from, const T* __restrict grad,
                        Index width, T power1, T power2,
                        const AdamCoefficients<T>& c) {
  for_blocks(width, [&](Index begin, Index n) {
#pragma GCC ivdep
    for (Index d = begin; d < begin + n; ++d) {
      T first = moment1[d] * power1;
      T second = moment2[d] * power2;
      adam_moments(first, second, grad[d], c);
      moment1[d] = first;
      moment2[d] = second;
      if (kTop) {
        // False for NaN on the right, so that a NaN moment is taken over.
        second = max_moment2[d] >= second ? max_moment2[d] : second;
        max_moment2[d] = second;
      }
      param[d] = adam_param(from[d], first, second, c);
    }
  });
}

// Step by step.
template <typename T>
void replay(const Row<T>& row, Index width, const AdamHistory<T>& h,
            Index place, Index steps) {
  const bool amsgrad = row.max_moment2 != nullptr;
  for (Index j = 1; j <= steps; ++j) {
    const AdamCoefficients<T> c = missed_step<T>(h, place + j);
    for (Index d = 0; d < width; ++d) {
      miss(row.param[d], row.moment1[d], row.moment2[d], amsgrad,
           amsgrad ? row.max_moment2[d] : T(0), c);
    }
  }
}

STROP_HD std::int32_t flag_of(float) { return 0; }
STROP_HD std::int64_t flag_of(double) { return 0; }

// Whether the row moves and one of its roots is small. A row that has never had
// a gradient does not move.
template <typename T>
bool moves_on_small_roots(const Row<T>& row, Index width, T limit) {
  // As wide as the numbers and without a branch: 64 features take 5 ns, not 70.
  using Flag = decltype(flag_of(limit));
  Flag small = 0;
  for (Index d = 0; d < width; ++d) {
    small |= Flag(row.root[d] <= limit) & Flag(row.moment1[d] != T(0));
  }
  return small != 0;
}

template <typename T>
STROP_HD bool needs_replay(const DeferredAdamCatchUp<T>& a, const Row<T>& row,
                           std::int32_t last) {
  if (a.replay_all) return true;
  return last < a.replay_before &&
         moves_on_small_roots(row, a.width, T(a.replay_below * a.replay_below));
}

template <typename T>
void replay_gap(const DeferredAdamCatchUp<T>& a, const Row<T>& row, Index width,
                Index place, Index k) {
  const AdamHistory<T>& h = a.history;
  const Index near = a.replay_all || k < h.window ? k : h.window;
  replay(row, width, h, place, near);
  if (k == near) return;
  const AdamGap<T> rest = rest_of_gap<T>(h, place + near, k - near);
  for (Index d = 0; d < width; ++d) {
    fade(row.param[d], row.moment1[d], row.moment2[d], rest);
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
