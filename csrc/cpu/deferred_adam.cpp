// Rows of a table brought up to date under Adam: math/deferred_adam.h has the
// formula. Bound by the random reads of a row and its moments, three cache
// lines at 16 features; about 20 ns per row with the copy.

#include "math/deferred_adam.h"

#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"
#include "kernels.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kAhead = 8;

template <typename T>
struct Row {
  T* __restrict param;
  T* __restrict moment1;
  T* __restrict moment2;
  const T* __restrict root;  // what the square root is taken of
};

// The gap from the step of entry `place` over k steps.
template <typename T>
AdamGap<T> gap_of(const AdamHistory& h, Index place, Index k) {
  AdamGap<T> gap;
  const double* c = h.coefficients + place * (h.degree + 1);
  double later = 1;  // decay after the window, which the coefficients lack
  gap.whole = T(1);
  gap.lost = T(0);
  if (h.decays) {
    const double* sums = h.log_decay + place;
    const double log_w = sums[k] - sums[0];
    const bool little = log_w > -0.5;
    gap.whole = T(little ? 1 : 0);
    gap.lost = T(-(little ? __builtin_expm1(log_w) : __builtin_exp(log_w)));
    if (k > h.window) later = __builtin_exp(sums[k] - sums[h.window]);
  }
  for (int i = 0; i <= h.degree; ++i) gap.coefficients[i] = T(c[i] * later);
  gap.centre = T(h.centre[place]);
  const bool listed = k <= h.window;
  gap.power1 = T(listed ? h.power1[k] : __builtin_pow(h.beta1, double(k)));
  gap.power2 = T(listed ? h.power2[k] : __builtin_pow(h.beta2, double(k)));
  return gap;
}

template <int P, typename T>
STROP_HD void cross(const Row<T>& row, Index width, const AdamGap<T>& gap) {
  for (Index d = 0; d < width; ++d) {
    row.param[d] =
        adam_gap_param<P>(row.param[d], row.moment1[d], row.root[d], gap);
    row.moment1[d] *= gap.power1;
    row.moment2[d] *= gap.power2;
  }
}

// Step by step, the very operations of the dense kernel with a gradient of 0.
// Beyond the window the moments move nothing and only decay acts.
template <typename T>
void replay(const Row<T>& row, Index width, bool amsgrad, const AdamHistory& h,
            Index place, Index k) {
  for (Index j = 1; j <= k; ++j) {
    const double* s = h.steps + 4 * (place + j);
    const AdamCoefficients<T> c{T(h.beta1), T(0),    T(h.beta2), T(0),
                                T(s[0]),    T(s[1]), T(s[2]),    T(s[3])};
    for (Index d = 0; d < width; ++d) {
      row.moment1[d] *= c.beta1;
      row.moment2[d] *= c.beta2;
      row.param[d] = adam_param(row.param[d], row.moment1[d],
                                amsgrad ? row.root[d] : row.moment2[d], c);
    }
  }
}

template <typename T>
bool small_roots(const T* v, Index width, T limit) {
  bool small = false;
  for (Index d = 0; d < width; ++d) small |= v[d] <= limit;
  return small;
}

template <typename T>
void catch_up_row(const DeferredAdamCatchUp<T>& a, Index id) {
  const Index k = a.step - a.last[id];
  if (k == 0) return;
  const AdamHistory& h = a.history;
  const Index place = a.last[id] - h.base;
  const Index at = id * a.width;
  const bool amsgrad = a.max_moment2 != nullptr;
  const Row<T> row{a.param + at, a.moment1 + at, a.moment2 + at,
                   amsgrad ? a.max_moment2 + at : a.moment2 + at};
  a.last[id] = a.step;
  if (a.history.base + place < a.replay_before &&
      small_roots(row.root, a.width, T(a.replay_below * a.replay_below))) {
    return replay(row, a.width, amsgrad, h, place, k);
  }
  const AdamGap<T> gap = gap_of<T>(h, place, k);
  switch (h.degree) {
    case 2:
      return cross<2>(row, a.width, gap);
    case 3:
      return cross<3>(row, a.width, gap);
    case 4:
      return cross<4>(row, a.width, gap);
    case 6:
      return cross<6>(row, a.width, gap);
    default:
      return cross<8>(row, a.width, gap);
  }
}

template <typename T>
void catch_up(const DeferredAdamCatchUp<T>& args) {
  const DeferredAdamCatchUp<T> a = args;
  const bool parallel =
      6 * a.rows.size * a.width * Index{sizeof(T)} >= kParallelBytes;
  parallel_for(a.rows.size, 256, parallel, [=](Index begin, Index end) {
    const FlushDenormals flush;
    for (Index i = begin; i < end; ++i) {
      const Index id = a.rows.data ? id_of(a.rows, i) : i;
      if (a.rows.data && i + kAhead < end) {
        const Index next = id_of(a.rows, i + kAhead);
        __builtin_prefetch(a.last + next, 1);
        __builtin_prefetch(a.param + next * a.width, 1);
        __builtin_prefetch(a.moment1 + next * a.width, 1);
        __builtin_prefetch(a.moment2 + next * a.width, 1);
      }
      catch_up_row(a, id);
      if (a.gathered) {
        __builtin_memcpy(a.gathered + i * a.width, a.param + id * a.width,
                         a.width * sizeof(T));
      }
    }
  });
}

}  // namespace

void deferred_adam_catch_up(const DeferredAdamCatchUp<float>& a) {
  catch_up(a);
}
void deferred_adam_catch_up(const DeferredAdamCatchUp<double>& a) {
  catch_up(a);
}

}  // namespace strop::cpu::STROP_ISA
