// The coefficients of every gap, one step later: window * (degree + 1) products
// in double, under 1 us per training step. Compiled once.

#include "kernels/deferred_adam.h"
#include "math/adam_clock.h"

namespace strop::cpu {

void deferred_adam_advance(const DeferredAdamAdvance& a) {
  const Index live = a.place < a.window ? a.place : a.window;
  const int count = a.degree + 1;
  if (!a.moving_eps) {  // d = 0: the terms are the same at every step
    const Index first = (a.place - live) * count;
    double* __restrict c = a.coefficients + first;
    float* __restrict narrow = a.narrow + first;
    const double* __restrict terms = a.terms + (a.window - live) * count;
    for (Index i = 0; i < live * count; ++i) {
      c[i] = coefficient_after(c[i], a.alpha, terms[i], a.decay);
      narrow[i] = float(c[i]);
    }
    return;
  }
  for (Index j = 1; j <= live; ++j) {
    const Index first = (a.place - j) * count;
    double* c = a.coefficients + first;
    const double weight = a.alpha * a.power1[j];
    double t[kMaxDegree + 1];
    expansion<kMaxDegree>(a.shrink[j], 1 - a.eps / a.centre[a.place - j],
                          a.degree, t);
    for (int i = 0; i < count; ++i) {
      c[i] = coefficient_after(c[i], weight, t[i], a.decay);
      a.narrow[first + i] = float(c[i]);
    }
  }
}

}  // namespace strop::cpu
