#pragma once

#include "math/adam.h"
#include "math/macros.h"

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

}  // namespace strop
