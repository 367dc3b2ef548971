// Rows of a table brought up to date under Adam: math/deferred_adam.h has the
// formula. Bound by the random reads of a row and its moments, three cache
// lines at 16 features.

#include "math/deferred_adam.h"

#include "cpu/adam_update.h"
#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"
#include "kernels.h"

namespace strop::cpu::STROP_ISA {
namespace {

// A row is asked for this many rows before its turn: two gaps of 20 ns each
// hide an L3 read, more would only crowd the line buffers.
constexpr Index kAhead = 8;

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
STROP_HD T power(const double* list, double base, std::int32_t powers,
                 Index k) {
  return T(k < powers ? list[k] : __builtin_pow(base, double(k)));
}

// Decay over `steps` steps from entry `place`. A share near 1 is kept as what
// it is, one near 0 as what is lost: float32 has 7 digits of either.
template <typename T>
STROP_HD void set_decay(AdamGap<T>& gap, const AdamHistory& h, Index place,
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
STROP_HD AdamGap<T> gap_of(const AdamHistory& h, Index place, Index k) {
  AdamGap<T> gap;
  const double* c = h.coefficients + place * (P + 1);
  double later = 1;  // decay after the window, which the coefficients lack
  set_decay(gap, h, place, k);
  if (h.decays && k > h.window)
    later = h.kept[place + k] / h.kept[place + h.window];
  for (int i = 0; i <= P; ++i) gap.coefficients[i] = T(c[i] * later);
  gap.centre = T(h.centre[place]);
  gap.power1 = power<T>(h.power1, h.beta1, h.powers, k);
  gap.power2 = power<T>(h.power2, h.beta2, h.powers, k);
  return gap;
}

template <int P, typename T>
STROP_HD void cross_run(T* __restrict param, T* __restrict moment1,
                        T* __restrict moment2, const T* root, Index n,
                        const AdamGap<T>& gap) {
#pragma GCC ivdep
  for (Index d = 0; d < n; ++d) {
    param[d] = adam_gap_param<P>(param[d], moment1[d], root[d], gap);
    moment1[d] *= gap.power1;
    moment2[d] *= gap.power2;
  }
}

template <int P, typename T>
STROP_HD void cross(const Row<T>& row, Index width, const AdamGap<T>& gap) {
  Index d = 0;
  for (; d + kRowBlock <= width; d += kRowBlock) {
    cross_run<P>(row.param + d, row.moment1 + d, row.moment2 + d, row.root + d,
                 kRowBlock, gap);
  }
  if (d < width) {
    cross_run<P>(row.param + d, row.moment1 + d, row.moment2 + d, row.root + d,
                 width - d, gap);
  }
}

// Step by step, the very operations of the dense kernel with a gradient of 0.
template <typename T>
void replay(const Row<T>& row, Index width, const AdamHistory& h, Index place,
            Index steps) {
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
void fade(const Row<T>& row, Index width, const AdamHistory& h, Index place,
          Index steps) {
  AdamGap<T> gap{};
  set_decay(gap, h, place, steps);
  const T power1 = power<T>(h.power1, h.beta1, h.powers, steps);
  const T power2 = power<T>(h.power2, h.beta2, h.powers, steps);
  for (Index d = 0; d < width; ++d) {
    row.param[d] = gap.whole * row.param[d] - gap.lost * row.param[d];
    row.moment1[d] *= power1;
    row.moment2[d] *= power2;
  }
}

// Whether the row moves and one of its roots is small. A row that has never had
// a gradient does not move.
template <typename T>
bool moves_on_small_roots(const Row<T>& row, Index width, T limit) {
  bool small = false;
  for (Index d = 0; d < width; ++d) {
    small |= row.root[d] <= limit && row.moment1[d] != T(0);
  }
  return small;
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
  const AdamHistory& h = a.history;
  const Index near = a.replay_all || k < h.window ? k : h.window;
  replay(row, width, h, place, near);
  if (k > near) fade(row, width, h, place + near, k - near);
}

template <int P, typename T>
STROP_HD void catch_up_row(const DeferredAdamCatchUp<T>& a, Index id) {
  const Index k = a.step - a.last[id];
  if (k == 0) return;
  const Index place = a.last[id] - a.history.base;
  const Row<T> row = row_of(a, id);
  if (needs_replay(a, row, a.last[id])) {
    return replay_gap(a, row, a.width, place, k);
  }
  cross<P>(row, a.width, gap_of<P, T>(a.history, place, k));
}

// The same on copies, block by block: the elements of a row do not know of each
// other, so the bits are the same.
template <int P, typename T>
void peek_row(const DeferredAdamCatchUp<T>& a, Index id, T* out) {
  const Index k = a.step - a.last[id];
  const Index place = a.last[id] - a.history.base;
  const Row<T> row = row_of(a, id);
  __builtin_memcpy(out, row.param, a.width * sizeof(T));
  if (k == 0) return;
  const bool slow = needs_replay(a, row, a.last[id]);
  const AdamGap<T> gap =
      slow ? AdamGap<T>{} : gap_of<P, T>(a.history, place, k);
  for (Index d = 0; d < a.width; d += kRowBlock) {
    const Index n = a.width - d < kRowBlock ? a.width - d : kRowBlock;
    T moments[3][kRowBlock];
    __builtin_memcpy(moments[0], row.moment1 + d, n * sizeof(T));
    __builtin_memcpy(moments[1], row.moment2 + d, n * sizeof(T));
    __builtin_memcpy(moments[2], row.root + d, n * sizeof(T));
    T* top = row.max_moment2 ? moments[2] : nullptr;
    const Row<T> copy{out + d, moments[0], moments[1], top,
                      top ? top : moments[1]};
    if (slow) {
      replay_gap(a, copy, n, place, k);
    } else {
      cross<P>(copy, n, gap);
    }
  }
}

template <typename T>
STROP_HD void prefetch_row(const DeferredAdamCatchUp<T>& a, Index id) {
  __builtin_prefetch(a.last + id, 1);
  __builtin_prefetch(a.param + id * a.stride, 1);
  __builtin_prefetch(a.moment1 + id * a.stride, 1);
  __builtin_prefetch(a.moment2 + id * a.stride, 1);
}

template <typename T>
bool worth_sharing(const DeferredAdamCatchUp<T>& a) {
  return 7 * a.rows.size * a.width * Index{sizeof(T)} >= kParallelBytes;
}

template <int P>
struct CatchUp {
  template <typename T>
  static void run(const DeferredAdamCatchUp<T>& args) {
    const DeferredAdamCatchUp<T> a = args;
    parallel_for(
        a.rows.size, 256, worth_sharing(a), [=](Index begin, Index end) {
          const FloatMode mode = flush_denormals();
          const bool listed = a.rows.data != nullptr;
          for (Index i = begin; i < end; ++i) {
            const Index id = listed ? id_of(a.rows, i) : i;
            if (a.scattered && i + kAhead < end) {
              prefetch_row(a, id_of(a.rows, i + kAhead));
            }
            if (a.peek) {
              peek_row<P>(a, id, a.gathered + i * a.width);
              continue;
            }
            catch_up_row<P>(a, id);
            a.last[id] = a.step;
            if (a.gathered) {
              __builtin_memcpy(a.gathered + i * a.width,
                               a.param + id * a.stride, a.width * sizeof(T));
            }
          }
          restore_denormals(mode);
        });
  }
};

template <int P>
struct Step {
  template <typename T>
  static void run(const DeferredAdamStep<T>& args) {
    const DeferredAdamCatchUp<T> a = args.table;
    const AdamCoefficients<T> c = args.coefficients;
    const T* grad = args.grad;
    parallel_for(
        a.rows.size, 256, worth_sharing(a), [=](Index begin, Index end) {
          const FloatMode mode = flush_denormals();
          for (Index i = begin; i < end; ++i) {
            const Index id = id_of(a.rows, i);
            catch_up_row<P>(a, id);
            const Row<T> row = row_of(a, id);
            adam_update_row(row.param, row.moment1, row.moment2,
                            row.max_moment2, grad + i * a.width, a.width, c);
            a.last[id] = a.step + 1;
          }
          restore_denormals(mode);
        });
  }
};

template <template <int> class Kernel, typename Args>
void of_degree(int degree, const Args& args) {
  switch (degree) {
    case 2:
      return Kernel<2>::run(args);
    case 3:
      return Kernel<3>::run(args);
    case 4:
      return Kernel<4>::run(args);
    case 6:
      return Kernel<6>::run(args);
    default:
      return Kernel<8>::run(args);
  }
}

}  // namespace

void deferred_adam_catch_up(const DeferredAdamCatchUp<float>& a) {
  of_degree<CatchUp>(a.history.degree, a);
}
void deferred_adam_catch_up(const DeferredAdamCatchUp<double>& a) {
  of_degree<CatchUp>(a.history.degree, a);
}
void deferred_adam_step(const DeferredAdamStep<float>& a) {
  of_degree<Step>(a.table.history.degree, a);
}
void deferred_adam_step(const DeferredAdamStep<double>& a) {
  of_degree<Step>(a.table.history.degree, a);
}

}  // namespace strop::cpu::STROP_ISA
