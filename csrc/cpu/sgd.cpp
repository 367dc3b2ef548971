// Gradient descent on the CPU, bound by memory: 12 bytes per element, 20 with
// momentum.

#include "kernels/sgd.h"

#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"

namespace strop::cpu::STROP_ISA {
namespace {

template <typename T>
STROP_HD void update(T* __restrict param, T* __restrict velocity,
                     const T* __restrict grad, Index n,
                     const SgdCoefficients<T>& c, GradientForm form,
                     const Gradient<T>& g) {
  if (velocity == nullptr) {
#pragma GCC ivdep
    for (Index i = 0; i < n; ++i) {
      sgd_plain(param[i], seen_gradient(form, grad[i], param[i], g), c);
    }
  } else {
#pragma GCC ivdep
    for (Index i = 0; i < n; ++i) {
      sgd_momentum(param[i], velocity[i],
                   seen_gradient(form, grad[i], param[i], g), c);
    }
  }
}

template <typename T>
void step(const SgdStep<T>& a) {
  const SgdTensor<T>* tensors = a.tensors;
  const SgdCoefficients<T> shared = a.coefficients;
  const Gradient<T> gradient = a.gradient;
  for_each_piece(
      tensors, a.count, Index{sizeof(T)} * 3 / 4,
      [=](Index which, Index begin, Index end) {
        const FloatMode mode = flush_denormals();
        const SgdTensor<T>& t = tensors[which];
        SgdCoefficients<T> c = shared;
        c.decay = t.decay;
        for_form(
            gradient, [&](GradientForm form) __attribute__((always_inline)) {
              update(t.param + begin, t.velocity ? t.velocity + begin : nullptr,
                     t.grad + begin, end - begin, c, form, gradient);
            });
        restore_denormals(mode);
      });
}

template <typename T>
void rows_step(const SgdRows<T>& args) {
  const SgdRows<T> a = args;
  const Index nanoseconds = a.rows.size * (5 + a.width / 3);
  parallel_for(a.rows.size, 256, nanoseconds, [=](Index begin, Index end) {
    const FloatMode mode = flush_denormals();
    for_form(a.gradient, [&](GradientForm form) __attribute__((always_inline)) {
      for (Index i = begin; i < end; ++i) {
        const Index at = id_of(a.rows, i) * a.stride;
        update(a.param + at, a.velocity ? a.velocity + at : nullptr,
               a.grad + i * a.width, a.width, a.coefficients, form, a.gradient);
      }
    });
    restore_denormals(mode);
  });
}

}  // namespace

void sgd_step(const SgdStep<float>& a) { step(a); }
void sgd_step(const SgdStep<double>& a) { step(a); }
void sgd_rows(const SgdRows<float>& a) { rows_step(a); }
void sgd_rows(const SgdRows<double>& a) { rows_step(a); }

}  // namespace strop::cpu::STROP_ISA
