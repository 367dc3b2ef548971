// Adam steps on the CPU. Bound by the square root and the division in cache
// (0.28 ns per element on Zen 4) and by memory beyond it: four reads and three
// writes per element, so one pass, and plain stores, since a line that was read
// is in cache already and a streaming store would throw it out.
// Kingma and Ba 2015; AMSGrad: Reddi et al. 2018.

#include "kernels/adam.h"

#include "cpu/adam_update.h"
#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"

namespace strop::cpu::STROP_ISA {
namespace {

template <typename T>
void step(const AdamStep<T>& a) {
  const AdamTensor<T>* tensors = a.tensors;
  const AdamCoefficients<T> shared = a.coefficients;
  const Gradient<T> gradient = a.gradient;
  for_each_piece(
      tensors, a.count, Index{sizeof(T)} * 5 / 4,
      [=](Index which, Index begin, Index end) {
        const FloatMode mode = flush_denormals();
        const AdamTensor<T>& t = tensors[which];
        AdamCoefficients<T> c = shared;
        c.decay = t.decay;
        for_form(
            gradient, [&](GradientForm form) __attribute__((always_inline)) {
              adam_update(t.param + begin, t.moment1 + begin, t.moment2 + begin,
                          t.max_moment2 ? t.max_moment2 + begin : nullptr,
                          t.grad + begin, end - begin, c, form, gradient);
            });
        restore_denormals(mode);
      });
}

template <typename T>
void rows_step(const AdamRows<T>& args) {
  const AdamRows<T> a = args;
  const AdamCoefficients<T> c = a.coefficients;
  const Index nanoseconds = a.rows.size * (5 + a.width / 3);
  parallel_for(a.rows.size, 256, nanoseconds, [=](Index begin, Index end) {
    const FloatMode mode = flush_denormals();
    for_form(a.gradient, [&](GradientForm form) __attribute__((always_inline)) {
      for (Index i = begin; i < end; ++i) {
        const Index at = id_of(a.rows, i) * a.stride;
        adam_update_row(a.param + at, a.moment1 + at, a.moment2 + at,
                        a.max_moment2 ? a.max_moment2 + at : nullptr,
                        a.grad + i * a.width, a.width, c, form, a.gradient);
      }
    });
    restore_denormals(mode);
  });
}

}  // namespace

void adam_step(const AdamStep<float>& a) { step(a); }
void adam_step(const AdamStep<double>& a) { step(a); }
void adam_rows(const AdamRows<float>& a) { rows_step(a); }
void adam_rows(const AdamRows<double>& a) { rows_step(a); }

}  // namespace strop::cpu::STROP_ISA
