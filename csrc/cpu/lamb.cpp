// LAMB steps in two passes over each tensor, bound by memory: the moments and
// the norms (24 bytes of float per element), then the parameter (16). Tensors
// are taken in groups, so that the second pass of small ones finds them in
// cache. You et al. 2020.

#include "kernels/lamb.h"

#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kLanes = 16;

// Elements of the tensors of a group: four arrays of float are 8 MiB then.
constexpr Index kGroup = 1 << 19;

constexpr Index blocks_of(Index size) {
  return (size + kLambBlock - 1) / kLambBlock;
}

// The lanes added as a binary tree, in double.
template <typename S>
STROP_HD double add_all(const S* lanes) {
  double sums[kLanes];
  for (Index l = 0; l < kLanes; ++l) sums[l] = double(lanes[l]);
  for (Index half = kLanes / 2; half > 0; half /= 2) {
    for (Index l = 0; l < half; ++l) sums[l] += sums[l + half];
  }
  return sums[0];
}

// The moments of n elements of a block after the step, if they are to move, and
// the sums of squares of which the norms are made: element i in lane i mod 16,
// added in S.
template <typename S, bool kMoves, typename T>
STROP_HD void advance(const LambTensor<T>& t, Index begin, Index n, Lamb<T> c,
                      GradientForm form, Gradient<T> gradient, double* sums) {
  const T* __restrict param = t.param + begin;
  const T* __restrict grad = t.grad + begin;
  T* __restrict moment1 = t.moment1 + begin;
  T* __restrict moment2 = t.moment2 + begin;
  const T lost = t.lost, inside = t.inside;
  S kept[kLanes] = {}, direction[kLanes] = {};
  const auto group = [&](Index i, Index lanes) __attribute__((always_inline)) {
#pragma GCC ivdep
    for (Index l = 0; l < lanes; ++l) {
      const T p = param[i + l];
      T m = moment1[i + l], v = moment2[i + l];
      if constexpr (kMoves) {
        lamb_moments(m, v, seen_gradient(form, grad[i + l], p, gradient), c);
        moment1[i + l] = m;
        moment2[i + l] = v;
      }
      const T w = p - lost * p;
      const T d = lamb_direction(w, m, v, inside, c);
      kept[l] += S(w) * S(w);
      direction[l] += S(d) * S(d);
    }
  };
  Index i = 0;
  for (; i + kLanes <= n; i += kLanes) group(i, kLanes);
  if (i < n) group(i, n - i);
  sums[0] = add_all(kept);
  sums[1] = add_all(direction);
}

template <typename T>
STROP_HD void advance_block(const LambTensor<T>& t, Index begin, Index n,
                            const Lamb<T>& c, GradientForm form,
                            const Gradient<T>& gradient, double* sums) {
  advance<T, true>(t, begin, n, c, form, gradient, sums);
  if (sizeof(T) == sizeof(float) &&
      !(lamb_held(sums[0]) && lamb_held(sums[1]))) {
    advance<double, false>(t, begin, n, c, form, gradient, sums);
  }
}

template <typename T>
STROP_HD void apply(const LambTensor<T>& t, Index begin, Index n, Lamb<T> c,
                    T step) {
  T* __restrict param = t.param + begin;
  const T* __restrict moment1 = t.moment1 + begin;
  const T* __restrict moment2 = t.moment2 + begin;
  const T lost = t.lost, inside = t.inside;
#pragma GCC ivdep
  for (Index i = 0; i < n; ++i) {
    const T w = param[i] - lost * param[i];
    param[i] = w - step * lamb_direction(w, moment1[i], moment2[i], inside, c);
  }
}

// The sums of the blocks, every second number: in lanes by place, each group of
// 32 lanes as a tree, the groups in order. It is how a CUDA block adds, since
// on one thread there the 131,000 blocks of 2^27 elements would take as long as
// half the step.
double add_blocks(const double* sums, Index blocks) {
  constexpr Index kGroup = 32, kSums = 256;
  if (blocks == 1) return sums[0];
  double lanes[kSums] = {};
  for (Index b = 0; b < blocks; ++b) lanes[b % kSums] += sums[2 * b];
  double sum = 0;
  for (double* group = lanes; group < lanes + kSums; group += kGroup) {
    for (Index half = kGroup / 2; half > 0; half /= 2) {
      for (Index l = 0; l < half; ++l) group[l] += group[l + half];
    }
    sum += *group;
  }
  return sum;
}

template <typename T>
void step_group(const LambStep<T>& args, const LambTensor<T>* tensors,
                Index count, double* steps) {
  const LambStep<T> a = args;
  Index blocks = 0;
  for (Index k = 0; k < count; ++k) blocks += blocks_of(tensors[k].size);
  const Index cost = Index{sizeof(T)} * kLambBlock * 3 / 8;
  parallel_for(blocks, 16, blocks * cost, [=](Index begin, Index end) {
    const FloatMode mode = flush_denormals();
    for_form(a.gradient, [&](GradientForm form) __attribute__((always_inline)) {
      Index which = 0;
      Index first = 0;  // block of the tensor
      for (Index b = begin; b < end; ++b) {
        while (b >= first + blocks_of(tensors[which].size)) {
          first += blocks_of(tensors[which++].size);
        }
        const LambTensor<T>& t = tensors[which];
        const Index at = (b - first) * kLambBlock;
        const Index left = t.size - at;
        advance_block(t, at, left < kLambBlock ? left : kLambBlock,
                      a.coefficients, form, a.gradient, a.sums + 2 * b);
      }
    });
    restore_denormals(mode);
  });
  const double* sums = a.sums;
  for (Index k = 0; k < count; ++k) {
    const Index own = blocks_of(tensors[k].size);
    steps[k] = lamb_step_size(add_blocks(sums, own), add_blocks(sums + 1, own),
                              a.learning_rate);
    sums += 2 * own;
  }
  for_each_piece(tensors, count, Index{sizeof(T)} * 5 / 4,
                 [=](Index which, Index begin, Index end) {
                   const FloatMode mode = flush_denormals();
                   apply(tensors[which], begin, end - begin, a.coefficients,
                         T(steps[which]));
                   restore_denormals(mode);
                 });
}

template <typename T>
void step(const LambStep<T>& a) {
  Index first = 0;
  while (first < a.count) {
    Index count = 0, elements = 0;
    do {
      elements += a.tensors[first + count++].size;
    } while (first + count < a.count &&
             elements + a.tensors[first + count].size <= kGroup);
    step_group(a, a.tensors + first, count, a.steps + first);
    first += count;
  }
}

}  // namespace

void lamb_step(const LambStep<float>& a) { step(a); }
void lamb_step(const LambStep<double>& a) { step(a); }

}  // namespace strop::cpu::STROP_ISA
