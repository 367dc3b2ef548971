#pragma once

#include "cpu/adam_update.h"
#include "kernels.h"
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

template <typename T>
STROP_HD T power(const T* list, double base, std::int32_t powers, Index k) {
  return k < powers ? list[k] : T(__builtin_pow(base, double(k)));
}

// Decay over `steps` steps from entry `place`. A share near 1 is kept as what
// it is, one near 0 as what is lost: float32 has 7 digits of either.
template <typename T>
STROP_HD void set_decay(AdamGap<T>& gap, const AdamHistory<T>& h, Index place,
                        Index steps) {
  gap.whole = T(1);
  gap.lost = T(0);
  if (!h.decays) return;
  const double kept = h.kept[place + steps] / h.kept[place];
  const bool little = kept > 0.5;
  gap.whole = T(little ? 1 : 0);
  gap.lost = T(little ? 1 - kept : -kept);
}

// The gap from the step of entry `place` over k steps.
template <int P, typename T>
STROP_HD AdamGap<T> gap_of(const AdamHistory<T>& h, Index place, Index k) {
  AdamGap<T> gap;
  const T* c = h.coefficients + place * (P + 1);
  for (int i = 0; i <= P; ++i) gap.coefficients[i] = c[i];
  if (h.decays && k > h.window) {  // decay that the coefficients lack
    const T later = T(h.kept[place + k] / h.kept[place + h.window]);
    for (int i = 0; i <= P; ++i) gap.coefficients[i] *= later;
  }
  set_decay(gap, h, place, k);
  gap.centre = h.centre[place];
  gap.power1 = power(h.power1, h.beta1, h.powers, k);
  gap.power2 = power(h.power2, h.beta2, h.powers, k);
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

// Step by step, the very operations of the dense kernel with a gradient of 0.
template <typename T>
void replay(const Row<T>& row, Index width, const AdamHistory<T>& h,
            Index place, Index steps) {
  for (Index j = 1; j <= steps; ++j) {
    const double* s = h.steps + 4 * (place + j);
    const AdamCoefficients<T> c{T(h.beta1), T(0),    T(h.beta2), T(0),
                                T(s[0]),    T(s[1]), T(s[2]),    T(s[3])};
    for (Index d = 0; d < width; ++d) {
      row.moment1[d] *= c.beta1;
      row.moment2[d] *= c.beta2;
      row.param[d] =
          adam_param(row.param[d], row.moment1[d],
                     row.max_moment2 ? row.root[d] : row.moment2[d], c);
    }
  }
}

// Beyond the window a moment moves nothing: only decay is left.
template <typename T>
void fade(const Row<T>& row, Index width, const AdamHistory<T>& h, Index place,
          Index steps) {
  AdamGap<T> gap{};
  set_decay(gap, h, place, steps);
  const T power1 = power(h.power1, h.beta1, h.powers, steps);
  const T power2 = power(h.power2, h.beta2, h.powers, steps);
  for (Index d = 0; d < width; ++d) {
    row.param[d] = gap.whole * row.param[d] - gap.lost * row.param[d];
    row.moment1[d] *= power1;
    row.moment2[d] *= power2;
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
  if (k > near) fade(row, width, h, place + near, k - near);
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
