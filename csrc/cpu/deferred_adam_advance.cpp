// The coefficients of every gap, one step later: window * (degree + 1) products
// in double, under 1 us per training step. Compiled once.

#include "kernels.h"
#include "math/deferred_adam.h"

namespace strop::cpu {
namespace {

// t_i = sum over p = i..P of binom(p, i) d^(p - i) (a - d)^i, the weight of u^i
// in 1 + r + ... + r^P for r = u a + (1 - u) d.
void weights(double a, double d, int degree, double* t) {
  double rows[kMaxDegree + 1] = {1};  // of r^p, as a polynomial in u
  for (int i = 0; i <= degree; ++i) t[i] = 0;
  t[0] = 1;
  for (int p = 1; p <= degree; ++p) {
    for (int i = p; i >= 0; --i) {
      rows[i] = (i < p ? rows[i] * d : 0) + (i > 0 ? rows[i - 1] * (a - d) : 0);
      t[i] += rows[i];
    }
  }
}

}  // namespace

void deferred_adam_advance(const DeferredAdamAdvance& a) {
  const Index live = a.place < a.window ? a.place : a.window;
  const int count = a.degree + 1;
  if (!a.moving_eps) {  // d = 0: the terms are the same at every step
    const Index first = (a.place - live) * count;
    double* __restrict c = a.coefficients + first;
    float* __restrict narrow = a.narrow + first;
    const double* __restrict terms = a.terms + (a.window - live) * count;
    for (Index i = 0; i < live * count; ++i) {
      c[i] += a.alpha * terms[i] - a.decay * c[i];
      narrow[i] = float(c[i]);
    }
    return;
  }
  for (Index j = 1; j <= live; ++j) {
    const Index first = (a.place - j) * count;
    double* c = a.coefficients + first;
    const double weight = a.alpha * a.power1[j];
    double t[kMaxDegree + 1];
    weights(a.shrink[j], 1 - a.eps / a.centre[a.place - j], a.degree, t);
    for (int i = 0; i < count; ++i) {
      c[i] += weight * t[i] - a.decay * c[i];
      a.narrow[first + i] = float(c[i]);
    }
  }
}

}  // namespace strop::cpu
