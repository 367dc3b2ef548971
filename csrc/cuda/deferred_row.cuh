#pragma once

#include "cuda/adam_clock.cuh"
#include "cuda/common.cuh"
#include "kernels/deferred_adam.h"

// A row of a table under the deferred Adam, and the lanes of a warp that share
// it: across its gap by the polynomial, or step by step where that is not exact
// enough. The formula is in math/deferred_adam.h.

namespace strop::cuda {

// The lanes of a row, and the row's place among those of the launch.
struct Lanes {
  unsigned lane, shift;  // 2^shift of them
  Index place;

  __device__ __forceinline__ Lanes(unsigned block, unsigned log2_lanes)
      : lane(threadIdx.x & ((1u << log2_lanes) - 1)),
        shift(log2_lanes),
        place((Index{block} * kBlock + threadIdx.x) >> log2_lanes) {}
};

template <typename T>
struct Row {
  Index id = kNoRow;
  std::int32_t last = 0;  // the step that it holds
  bool there;

  __device__ __forceinline__ Row(const DeferredAdamCatchUp<T>& a,
                                 const Lanes& lanes, std::uint64_t* fault) {
    const Index i = lanes.place;
    there = i < a.rows.size;
    if (!there) return;
    id = a.rows.data != nullptr ? id_of(a.rows, i) : i;
    there = row_inside(id, a.table_rows, i, lanes.lane == 0 ? fault : nullptr);
    if (there) last = a.last[id];
  }
};

// What a row has missed.
struct Missed {
  Index place, steps;  // from the entry of its step on
  bool replayed;
};

// A row that stands at no step of the clock is as bad as one outside the table.
template <typename T>
__device__ __forceinline__ Missed missed_by(Row<T>& row, const Now& now,
                                            const Lanes& lanes,
                                            std::uint64_t* fault) {
  if (!row.there) return {0, 0, false};
  const unsigned taken = unsigned(now.last) - unsigned(now.base);
  const unsigned place = unsigned(row.last) - unsigned(now.base);
  row.there = place <= taken && taken <= unsigned(kClockSteps);
  if (!row.there) {
    report(lanes.lane == 0 ? fault : nullptr, lanes.place);
    return {0, 0, false};
  }
  return {Index{place}, Index{taken - place}, false};
}

// Whether the row is one that moves while one of its roots is small; a row that
// has never had a gradient does not move. All lanes of the warp come here.
template <typename T>
__device__ __forceinline__ bool needs_replay(const DeferredAdamCatchUp<T>& a,
                                             const Row<T>& row,
                                             const Missed& missed,
                                             const Lanes& lanes) {
  if (a.replay_all) return missed.steps > 0;
  if (a.replay_before == 0) return false;
  const T* roots = a.max_moment2 != nullptr ? a.max_moment2 : a.moment2;
  const T limit = T(a.replay_below * a.replay_below);
  bool small = false;
  if (missed.steps > 0 && row.last < a.replay_before) {
    for (Index d = lanes.lane; d < a.width; d += Index{1} << lanes.shift) {
      const Index at = row.id * a.stride + d;
      small |= roots[at] <= limit && a.moment1[at] != T(0);
    }
  }
  const unsigned votes = __ballot_sync(kAll, small);
  const unsigned count = 1u << lanes.shift;
  const unsigned first = threadIdx.x % kWarp / count * count;
  return (votes >> first & (kAll >> (kWarp - count))) != 0;
}

// A pack of elements of a row.
template <typename T>
struct Elements {
  Pack<T> param, moment1, moment2, top;
};

// The columns [d, d + kSize) of the row that begins at element `at`.
template <typename T>
__device__ __forceinline__ Elements<T> elements_at(
    const DeferredAdamCatchUp<T>& a, Index at, Index d, bool is_wide) {
  Elements<T> e;
  e.param = load(a.param + at, d, a.width, is_wide);
  e.moment1 = load(a.moment1 + at, d, a.width, is_wide);
  e.moment2 = load(a.moment2 + at, d, a.width, is_wide);
  e.top = {};
  if (a.max_moment2 != nullptr) {
    e.top = load(a.max_moment2 + at, d, a.width, is_wide);
  }
  return e;
}

template <typename T>
__device__ __forceinline__ void store_elements(const DeferredAdamCatchUp<T>& a,
                                               Index at, Index d, bool is_wide,
                                               const Elements<T>& e) {
  put(a.param + at, d, a.width, is_wide, e.param);
  put(a.moment1 + at, d, a.width, is_wide, e.moment1);
  put(a.moment2 + at, d, a.width, is_wide, e.moment2);
}

// The coefficients of a gap from where they stand: common to all degrees of a
// kernel, those that a lower degree lacks being 0, which changes no bit.
template <int P, typename T>
__device__ __forceinline__ AdamGap<T> gap_of(const AdamHistory<T>& h,
                                             const Missed& missed) {
  AdamGap<T> gap;
  const int count = h.degree + 1;
  const T* c = h.coefficients + missed.place * count;
  if (h.current != nullptr && missed.steps < h.window) {
    const unsigned slots = unsigned(h.window) + 1;
    const auto copy = unsigned(missed.place + missed.steps) % 2;
    const unsigned slot = unsigned(missed.place) % slots;
    c = h.current + (copy * slots + slot) * count;
  }
#pragma unroll
  for (int i = 0; i <= P; ++i) gap.coefficients[i] = i < count ? c[i] : T(0);
  set_gap<P>(gap, h, missed.place, missed.steps);
  return gap;
}

template <typename T>
__device__ __forceinline__ void replay(Elements<T>& e, bool amsgrad,
                                       const DeferredAdamCatchUp<T>& a,
                                       const AdamHistory<T>& h,
                                       const Missed& missed) {
  const Index near =
      a.replay_all || missed.steps < h.window ? missed.steps : h.window;
  for (Index j = 1; j <= near; ++j) {
    const AdamCoefficients<T> c = missed_step<T>(h, missed.place + j);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      miss(e.param.v[k], e.moment1.v[k], e.moment2.v[k], amsgrad, e.top.v[k],
           c);
    }
  }
  if (missed.steps == near) return;
  const AdamGap<T> rest =
      rest_of_gap<T>(h, missed.place + near, missed.steps - near);
#pragma unroll
  for (int k = 0; k < Pack<T>::kSize; ++k) {
    fade(e.param.v[k], e.moment1.v[k], e.moment2.v[k], rest);
  }
}

// What brings elements of one row across its gap.
template <int P, typename T>
struct Crossing {
  const DeferredAdamCatchUp<T>& a;
  AdamHistory<T> h;
  Missed missed;
  AdamGap<T> gap;

  __device__ __forceinline__ Crossing(const DeferredAdamCatchUp<T>& args,
                                      const Now& now, const Missed& gone)
      : a(args), h(args.history), missed(gone), gap{} {
    h.decays = now.decays;
    if (missed.steps > 0 && !missed.replayed) gap = gap_of<P>(h, missed);
  }

  __device__ __forceinline__ void operator()(Elements<T>& e) const {
    const bool amsgrad = a.max_moment2 != nullptr;
    if (missed.steps == 0) return;
    if (missed.replayed) return replay(e, amsgrad, a, h, missed);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      const T root = amsgrad ? e.top.v[k] : e.moment2.v[k];
      e.param.v[k] = adam_gap_param<P>(e.param.v[k], e.moment1.v[k], root, gap);
      e.moment1.v[k] *= gap.power1;
      e.moment2.v[k] *= gap.power2;
    }
  }
};

}  // namespace strop::cuda
