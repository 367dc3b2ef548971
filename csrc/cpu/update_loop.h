#pragma once

#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"
#include "kernels/update.h"

// A step by any rule that works element by element: `change_of(grad, state...,
// rule)` of math/<rule>.h says what to take off a parameter. Everything around
// it is here: many tensors, rows of a table, the scale of the gradient, both
// kinds of decay. Each state that may be missing and each kind of decay is a
// loop of its own, so that what is not asked for costs nothing.

namespace strop::cpu::STROP_ISA {
namespace {

template <unsigned kHas, GradientForm kForm, bool kDecays, typename T,
          typename Rule>
void update_run(T* __restrict param, const T* __restrict grad,
                T* __restrict state0, T* __restrict state1,
                T* __restrict state2, Index n, T decay, Gradient<T> gradient,
                Rule rule) {
  T none0{}, none1{}, none2{};
#pragma GCC ivdep
  for (Index i = 0; i < n; ++i) {
    const T g = seen_gradient(kForm, grad[i], param[i], gradient);
    const T change = change_of<kHas>(g, (kHas & 1) != 0 ? state0[i] : none0,
                                     (kHas & 2) != 0 ? state1[i] : none1,
                                     (kHas & 4) != 0 ? state2[i] : none2, rule);
    param[i] = changed_param<kDecays>(param[i], change, decay);
  }
}

template <typename T, typename Rule>
using UpdateRun = void (*)(T*, const T*, T*, T*, T*, Index, T, Gradient<T>,
                           Rule);

// The loop for the states that `kHas` names, and those of `kAsk` that are not
// null.
template <unsigned kHas, unsigned kAsk, typename T, template <typename> class R>
UpdateRun<T, R<T>> run_for(const UpdateTensor<T>& t, Gradient<T> gradient) {
  if constexpr (kAsk != 0) {
    constexpr int kWhich = (kAsk & 1) != 0 ? 0 : (kAsk & 2) != 0 ? 1 : 2;
    constexpr unsigned kBit = 1u << kWhich;
    return t.state[kWhich] != nullptr
               ? run_for<kHas | kBit, kAsk & ~kBit, T, R>(t, gradient)
               : run_for<kHas, kAsk & ~kBit, T, R>(t, gradient);
  } else {
    // A scale of 1 changes no bit and costs nothing beside a division.
    constexpr GradientForm kScaled = GradientForm::kScaled;
    constexpr GradientForm kDecayed = GradientForm::kDecayed;
    if (form_of(gradient) == kDecayed) {
      return t.decay != 0 ? update_run<kHas, kDecayed, true, T, R<T>>
                          : update_run<kHas, kDecayed, false, T, R<T>>;
    }
    return t.decay != 0 ? update_run<kHas, kScaled, true, T, R<T>>
                        : update_run<kHas, kScaled, false, T, R<T>>;
  }
}

template <typename T, template <typename> class R>
void update_span(const UpdateStep<T, R>& a, const UpdateTensor<T>& t,
                 UpdateRun<T, R<T>> run, Index at, Index grad_at, Index n) {
  const auto state = [&](int k) {
    return t.state[k] ? t.state[k] + at : nullptr;
  };
  run(t.param + at, t.grad + grad_at, state(0), state(1), state(2), n, t.decay,
      a.gradient, a.rule);
}

template <typename T, template <typename> class R>
void update_step(const UpdateStep<T, R>& args) {
  const UpdateStep<T, R>* a = &args;
  constexpr unsigned kHas = R<T>::kStates, kAsk = R<T>::kOptional;
  const auto work = [=](const UpdateTensor<T>& t, const auto& spans) {
    const UpdateRun<T, R<T>> run = run_for<kHas, kAsk, T, R>(t, a->gradient);
    FloatMode mode{};
    if (R<T>::kFlushes) mode = flush_denormals();
    spans(run);
    if (R<T>::kFlushes) restore_denormals(mode);
  };
  if (a->rows.data == nullptr) {
    for_each_piece(a->tensors, a->count, Index{sizeof(T)} * 5 / 4,
                   [=](Index which, Index begin, Index end) {
                     const UpdateTensor<T>& t = a->tensors[which];
                     work(t, [=](auto run) {
                       update_span(*a, t, run, begin, begin, end - begin);
                     });
                   });
    return;
  }
  const Index width = a->width;
  const Index nanoseconds = a->rows.size * (5 + width / 3);
  parallel_for(a->rows.size, 256, nanoseconds, [=](Index begin, Index end) {
    const UpdateTensor<T>& t = a->tensors[0];
    work(t, [=](auto run) {
      for (Index i = begin; i < end; ++i) {
        update_span(*a, t, run, id_of(a->rows, i) * width, i * width, width);
      }
    });
  });
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
