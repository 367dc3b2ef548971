#pragma once

#include <cstdint>

#include "math/deferred_adam.h"
#include "math/macros.h"
#include "math/power.h"

// What a clock works out at each step, in double: the numbers of the step, and
// the term that it adds to the coefficients of every gap. Nothing here but
// + - * / and sqrt: the clock of the host and that of a GPU have equal bits.

namespace strop {

// Powers of the betas that are listed, more than any window has.
inline constexpr std::int32_t kClockPowers = 4096;

// Steps after which a table is to be flushed: no list grows for ever.
inline constexpr std::int32_t kClockSteps = 1 << 16;

struct ClockRule {
  double beta1, beta2, eps;
  bool hat, bias_correction, amsgrad;
  bool narrow;  // for a float32 table
  int degree;
  std::int32_t window;
};

// A number as the table's kernels have it. Those of float32 decay by the betas
// that float32 has; with the exact 0.999 the second moment would drift by
// 1.8e-5 in 1,500 steps.
STROP_HD double as_table_has(const ClockRule& r, double x) {
  return r.narrow ? double(float(x)) : x;
}

// Whether e_n, what is added to the root, differs from step to step.
STROP_HD bool moving_eps(const ClockRule& r) {
  return !r.hat && r.bias_correction && r.eps > 0;
}

// Of step n.
struct Corrections {
  double first;  // 1 - beta1^n
  double root;   // c_n = sqrt(1 - beta2^n)
};

STROP_HD Corrections corrections_of(const ClockRule& r, std::int64_t n) {
  if (!r.bias_correction) return {1, 1};
  return {one_minus_power(r.beta1, n),
          square_root(one_minus_power(r.beta2, n))};
}

// Where the gap from step s is expanded: best about the e_n of the steps that
// weigh most.
STROP_HD double centre_of(const ClockRule& r, std::int64_t s) {
  if (!moving_eps(r)) return r.eps;
  const auto ahead = std::int64_t(1 / (1 - r.beta1) + 0.5);
  return r.eps * corrections_of(r, s + ahead).root;
}

// One step with its learning rate and decoupled decay. The first four are what
// a dense step takes: math/adam.h.
struct ClockStep {
  double step_size, inv_root, eps, decay;
  double alpha;      // learning_rate c_n / (1 - beta1^n)
  double added_eps;  // e_n
};

STROP_HD ClockStep clock_step(const ClockRule& r, const Corrections& c,
                              double learning_rate, double weight_decay) {
  const double inv_root = 1 / c.root;
  return {learning_rate / c.first,
          inv_root,
          r.hat ? r.eps * inv_root : r.eps,
          as_table_has(r, learning_rate * weight_decay),
          learning_rate * c.root / c.first,
          r.hat ? r.eps : r.eps * c.root};
}

// 1 - q_j. For AMSGrad the greatest second moment stands still.
STROP_HD double shrink_of(const ClockRule& r, std::int64_t j) {
  if (r.amsgrad) return 0;
  return 1 - square_root(power(as_table_has(r, r.beta2), j));
}

// t_i = sum over p = i..degree of binom(p, i) d^(p - i) (a - d)^i, the weight
// of u^i in 1 + r + ... + r^degree for r = u a + (1 - u) d. The bounds of the
// loops are constants, so that a GPU keeps the lists in registers.
template <int P>
STROP_HD void expansion(double a, double d, int degree, double* t) {
  double rows[P + 1] = {1};  // of r^p, as a polynomial in u
  t[0] = 1;
  for (int i = 1; i <= P; ++i) t[i] = rows[i] = 0;
  STROP_UNROLL
  for (int p = 1; p <= P; ++p) {
    if (p > degree) break;
    STROP_UNROLL
    for (int i = p; i >= 0; --i) {
      rows[i] = (i < p ? rows[i] * d : 0) + (i > 0 ? rows[i - 1] * (a - d) : 0);
      t[i] += rows[i];
    }
  }
}

// A coefficient after a step whose term is weight * t.
STROP_HD double coefficient_after(double before, double weight, double t,
                                  double decay) {
  return before + (weight * t - decay * before);
}

}  // namespace strop
