#pragma once

#include <cstdint>

#include "math/adam.h"
#include "math/macros.h"
#include "math/power.h"

// Dense Adam moves every element at every step, with or without a gradient,
// because its moments decay. Without one, over the k = T - s steps after s,
//
//     m_n = b1^j m     v_n = b2^j v     j = n - s
//     w_T = W w - m sum_j A_j / (x q_j + e_n)     x = sqrt(v)   q_j = b2^(j/2)
//
// where A_j, q_j and e_n depend on the steps alone. With a centre e*,
// D = x + e* and u = x / D in [0, 1) the sum is a polynomial in u over D,
//
//     sum = (C_0 + C_1 u + ... + C_P u^P) / D + remainder
//
// so an element costs one square root, one division and P + 2 products, however
// long the gap. The remainder is 1.3e-8 of the sum at P = 3 for b1 = 0.9,
// b2 = 0.999.

namespace strop {

inline constexpr int kMaxDegree = 8;

// The gap of one row, as numbers of the row's type.
template <typename T>
struct AdamGap {
  T coefficients[kMaxDegree + 1];
  T centre;
  T whole;  // 1 where little decays, else 0: W = whole - lost keeps its digits
  T lost;
  T power1;  // b1^k
  T power2;  // b2^k
};

// The parameter after the gap; `v` is the second moment or its maximum.
template <int P, typename T>
STROP_HD T adam_gap_param(T param, T moment1, T v, const AdamGap<T>& gap) {
  const T x = square_root(v);
  const T inverse = T(1) / (x + gap.centre);
  const T u = x * inverse;
  T sum = gap.coefficients[P];
  for (int i = P - 1; i >= 0; --i) sum = sum * u + gap.coefficients[i];
  return gap.whole * param -
         (lost_share(param, gap.lost) + (moment1 * sum) * inverse);
}

// ---- a gap from the lists of a clock: AdamHistory<T> of kernels/
// --------------

template <typename T>
STROP_HD T listed_power(const T* list, double base, std::int32_t powers,
                        std::int64_t k) {
  return k < powers ? list[k] : T(power(base, k));
}

// Decay over `steps` steps from entry `place`. A share near 1 is kept as what
// it is, one near 0 as what is lost: float32 has 7 digits of either.
template <typename T, typename History>
STROP_HD void set_decay(AdamGap<T>& gap, const History& h, std::int64_t place,
                        std::int64_t steps) {
  gap.whole = T(1);
  gap.lost = T(0);
  if (!h.decays) return;
  const double kept = h.kept[place + steps] / h.kept[place];
  const bool little = kept > 0.5;
  gap.whole = T(little ? 1 : 0);
  gap.lost = T(little ? 1 - kept : -kept);
}

// All of the gap from entry `place` over k steps but the coefficients, which
// stand there as the list has them.
template <int P, typename T, typename History>
STROP_HD void set_gap(AdamGap<T>& gap, const History& h, std::int64_t place,
                      std::int64_t k) {
  if (h.decays && k > h.window) {  // decay that the coefficients lack
    const T later = T(h.kept[place + k] / h.kept[place + h.window]);
    for (int i = 0; i <= P; ++i) gap.coefficients[i] *= later;
  }
  set_decay(gap, h, place, k);
  gap.centre = h.centre[place];
  gap.power1 = listed_power(h.power1, h.beta1, h.powers, k);
  gap.power2 = listed_power(h.power2, h.beta2, h.powers, k);
}

// What is left of a gap of which the window has been replayed: a moment moves
// nothing beyond it, only decay goes on.
template <typename T, typename History>
STROP_HD AdamGap<T> rest_of_gap(const History& h, std::int64_t place,
                                std::int64_t steps) {
  AdamGap<T> gap{};
  set_decay(gap, h, place, steps);
  gap.power1 = listed_power(h.power1, h.beta1, h.powers, steps);
  gap.power2 = listed_power(h.power2, h.beta2, h.powers, steps);
  return gap;
}

template <typename T>
STROP_HD void fade(T& param, T& moment1, T& moment2, const AdamGap<T>& gap) {
  param = gap.whole * param - gap.lost * param;
  moment1 *= gap.power1;
  moment2 *= gap.power2;
}

// The numbers of the step behind entry `place`, for a gradient of 0.
template <typename T, typename History>
STROP_HD AdamCoefficients<T> missed_step(const History& h, std::int64_t place) {
  const double* s = h.steps + 4 * place;
  return {T(h.beta1), T(0),    T(h.beta2), T(0),
          T(s[0]),    T(s[1]), T(s[2]),    T(s[3])};
}

// The very operations of the dense kernel with a gradient of 0. `top` is the
// greatest second moment, of AMSGrad alone.
template <typename T>
STROP_HD void miss(T& param, T& moment1, T& moment2, bool amsgrad, T top,
                   const AdamCoefficients<T>& c) {
  moment1 *= c.beta1;
  moment2 *= c.beta2;
  param = adam_param(param, moment1, amsgrad ? top : moment2, c);
}

}  // namespace strop
