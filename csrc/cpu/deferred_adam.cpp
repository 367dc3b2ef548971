// Rows of a table brought up to date under Adam: math/deferred_adam.h has the
// formula. At 16 features a row and its moments are three cache lines, read at
// random, and a row has 7 ns of instructions for its gap and 7 for its step: so
// the loops hold next to nothing but the formula, and what is rare is apart.

#include "kernels/deferred_adam.h"

#include "cpu/deferred_row.h"
#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"

namespace strop::cpu::STROP_ISA {
namespace {

// Rows between asking for a row and reading it: at 16 features four lines each,
// of which about 40 can be on their way. They are asked into L2, which has
// twice the requests in flight that L1 has: 7 ns a line from memory, not 9.
constexpr Index kAhead = 10;

// The lines of the row that comes kAhead after the i-th.
template <typename T>
STROP_HD void ask_ahead(const DeferredAdamCatchUp<T>& a, Index i) {
  constexpr Index kLine = 64 / sizeof(T);
  if (!a.scattered || i + kAhead >= a.rows.size) return;
  const Index id = id_of(a.rows, i + kAhead);
  const Index at = id * a.stride;
  __builtin_prefetch(a.last + id, 0, 2);
  for (Index d = 0; d < a.width; d += kLine) {
    __builtin_prefetch(a.param + at + d, 0, 2);
    __builtin_prefetch(a.moment1 + at + d, 0, 2);
    __builtin_prefetch(a.moment2 + at + d, 0, 2);
  }
}

// Whether a row that is k steps behind is one for the short loops: it has its
// powers listed and is not replayed. A gap of 0 steps is not told apart, its
// coefficients are 0; but without an epsilon 0 times 1/0 would be no number.
template <typename T>
STROP_HD bool plain(const DeferredAdamCatchUp<T>& a, Index last, Index k) {
  return k < a.history.powers && last >= a.replay_before;
}

template <typename T>
STROP_HD bool all_special(const DeferredAdamCatchUp<T>& a) {
  return a.replay_all || !(a.history.centre[0] > T(0));
}

// The rare rows, in place.
template <int P, typename T>
__attribute__((noinline)) void catch_up_special(const DeferredAdamCatchUp<T>& a,
                                                Index id) {
  const Index k = a.step - a.last[id];
  if (k == 0) return;
  const Index place = a.last[id] - a.history.base;
  const Row<T> row = row_of(a, id);
  if (needs_replay(a, row, a.last[id])) {
    return replay_gap(a, row, a.width, place, k);
  }
  cross<P, true>(row.param, row.param, row.moment1, row.moment2, row.root,
                 a.width, gap_of<P>(a.history, place, k));
}

// The same on copies, block by block: the elements of a row do not know of each
// other, so the bits are the same.
template <int P, typename T>
__attribute__((noinline)) void peek_special(const DeferredAdamCatchUp<T>& a,
                                            Index id, T* out) {
  const Index k = a.step - a.last[id];
  const Index place = a.last[id] - a.history.base;
  const Row<T> row = row_of(a, id);
  __builtin_memcpy(out, row.param, a.width * sizeof(T));
  if (k == 0) return;
  if (!needs_replay(a, row, a.last[id])) {
    return cross<P, false>(out, row.param, row.moment1, row.moment2, row.root,
                           a.width, gap_of<P>(a.history, place, k));
  }
  for (Index d = 0; d < a.width; d += kRowBlock) {
    const Index n = a.width - d < kRowBlock ? a.width - d : kRowBlock;
    T copies[3][kRowBlock];
    __builtin_memcpy(copies[0], row.moment1 + d, n * sizeof(T));
    __builtin_memcpy(copies[1], row.moment2 + d, n * sizeof(T));
    __builtin_memcpy(copies[2], row.root + d, n * sizeof(T));
    T* top = row.max_moment2 ? copies[2] : nullptr;
    const Row<T> copy{out + d, copies[0], copies[1], top,
                      top ? top : copies[1]};
    replay_gap(a, copy, n, place, k);
  }
}

template <int P, typename T>
__attribute__((noinline)) void step_special(const DeferredAdamStep<T>& a,
                                            Index i, Index id) {
  catch_up_special<P>(a.table, id);
  const Row<T> row = row_of(a.table, id);
  adam_update_row(row.param, row.moment1, row.moment2, row.max_moment2,
                  a.grad + i * a.table.width, a.table.width, a.coefficients);
}

// Rows [begin, end) of the list. The arguments are copied into the function:
// behind a pointer they might be what the stores of floats change, and would be
// loaded again for every row. The rare rows get the pointer.
template <int P, bool kPeek, typename T>
STROP_HD void catch_up_rows(const DeferredAdamCatchUp<T>& args, Index begin,
                            Index end) {
  const DeferredAdamCatchUp<T> a = args;
  const T* roots = a.max_moment2 ? a.max_moment2 : a.moment2;
  const bool special = all_special(a);
  const bool listed = a.rows.data != nullptr;
  for (Index i = begin; i < end; ++i) {
    const Index id = listed ? id_of(a.rows, i) : i;
    ask_ahead(a, i);
    const Index last = a.last[id], k = a.step - last;
    const Index at = id * a.stride;
    T* out = kPeek ? a.gathered + i * a.width : a.param + at;
    if (!special && plain(a, last, k)) {
      cross<P, !kPeek>(out, a.param + at, a.moment1 + at, a.moment2 + at,
                       roots + at, a.width,
                       gap_of<P>(a.history, last - a.history.base, k));
    } else if (kPeek) {
      peek_special<P>(args, id, out);
    } else {
      catch_up_special<P>(args, id);
    }
    if (kPeek) continue;
    a.last[id] = a.step;
    if (a.gathered) {
      __builtin_memcpy(a.gathered + i * a.width, out, a.width * sizeof(T));
    }
  }
}

template <int P, bool kTop, typename T>
STROP_HD void step_rows(const DeferredAdamStep<T>& args, Index begin,
                        Index end) {
  const DeferredAdamStep<T> s = args;
  const DeferredAdamCatchUp<T> a = s.table;
  const bool special = !s.caught_up || all_special(a);
  for (Index i = begin; i < end; ++i) {
    const Index id = id_of(a.rows, i);
    ask_ahead(a, i);
    const Index last = a.last[id], k = a.step - last;
    const Index at = id * a.stride;
    if (!special && plain(a, last, k)) {
      step_from<kTop>(a.param + at, a.moment1 + at, a.moment2 + at,
                      a.max_moment2 + (kTop ? at : 0),
                      s.caught_up + i * a.width, s.grad + i * a.width, a.width,
                      a.history.power1[k], a.history.power2[k], s.coefficients);
    } else {
      step_special<P>(args, i, id);
    }
    a.last[id] = a.step + 1;
  }
}

// About what one thread takes: 0.35 ns per element in cache, four times as long
// where each row comes from memory.
template <typename T>
Index nanoseconds(const DeferredAdamCatchUp<T>& a) {
  const Index cost = a.rows.size * a.width * (a.scattered ? 4 : 1) * 7 / 20;
  // Rows from memory gain most: two cores have twice the lines on their way.
  return cost < (a.scattered ? kStepShares / 4 : kStepShares) ? 0 : cost;
}

template <int P>
struct CatchUp {
  template <typename T>
  static void run(const DeferredAdamCatchUp<T>& args) {
    parallel_for(args.rows.size, 256, nanoseconds(args),
                 [&args](Index begin, Index end) {
                   const FloatMode mode = flush_denormals();
                   if (args.peek) {
                     catch_up_rows<P, true>(args, begin, end);
                   } else {
                     catch_up_rows<P, false>(args, begin, end);
                   }
                   restore_denormals(mode);
                 });
  }
};

template <int P>
struct Step {
  template <typename T>
  static void run(const DeferredAdamStep<T>& args) {
    parallel_for(args.table.rows.size, 256, nanoseconds(args.table),
                 [&args](Index begin, Index end) {
                   const FloatMode mode = flush_denormals();
                   if (args.table.max_moment2) {
                     step_rows<P, true>(args, begin, end);
                   } else {
                     step_rows<P, false>(args, begin, end);
                   }
                   restore_denormals(mode);
                 });
  }
};

template <template <int> class Kernel, typename Args>
void of_degree(int degree, const Args& args) {
  switch (degree) {
    case 3:
      return Kernel<3>::run(args);
    case 4:
      return Kernel<4>::run(args);
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
