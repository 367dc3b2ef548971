#pragma once

#include <cmath>
#include <cstdint>

#include "math/exponential.h"

// log, log1p, sigmoid, tanh and the normal distribution without a branch,
// so that plain loops over them vectorise. float: own polynomials, greatest
// errors stated and tested over the whole range. double, the type for checking,
// goes to the C library: tanh below 2.5 ulp, sigmoid below 3.

namespace strop {

// log(1 + e) for e in [0, 1]: 2 artanh(e / (2 + e)), an odd series whose
// argument is at most 1/3; fitted on its square, relative error below 2^-33.
STROP_HD float log_one_plus(float e) {
  const float s = e / (2.0f + e);
  const float z = s * s;
  float p = 0x1.f3e794p-4f;
  p = multiply_add(p, z, 0x1.b62794p-4f);
  p = multiply_add(p, z, 0x1.251340p-3f);
  p = multiply_add(p, z, 0x1.99962ep-3f);
  p = multiply_add(p, z, 0x1.55555ap-2f);
  return 2.0f * multiply_add(p * z, s, s);
}

STROP_HD double log_one_plus(double e) { return __builtin_log1p(e); }

template <typename F>
STROP_HD F absolute(F x) {
  using Bits = typename BitsOf<F>::Type;
  return bits_as<F>(bits_as<Bits>(x) & 0x7fffffffu);
}

STROP_HD double absolute(double x) { return __builtin_fabs(x); }

// 1 / (1 + e^-x), error below 1.5 ulp. The exponential of -|x| never
// overflows. On the small side e / (1 + e) the roundings of e, of 1 + e and of
// the quotient would add up to 2.4 ulp, so what they left is put back.
template <typename F>
STROP_HD F logistic(F x) {
  F e_low;
  const F e = exponential_parts(at_least(-absolute(x), -104.0f), e_low);
  const F d = 1.0f + e;
  const F d_low = (1.0f - d) + e + e_low;
  const F large = 1.0f / d;
  const F small = e * large;
  const F left =
      multiply_add(-small, d, e) + multiply_add(-small, d_low, e_low);
  return x < 0.0f ? multiply_add(left, large, small) : large;
}

// The same without what puts the roundings back: error below 2.5 ulp from -87
// on, and 0.55 of the time. Below, where it is under 2^-125, it stays there.
template <typename F>
STROP_HD F logistic_plainly(F x) {
  return 1.0f / (1.0f + exponential(at_most(-x, 87.0f)));
}

STROP_HD double logistic(double x) {
  const double e = exponential(-absolute(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

// log(1 + e^x), finite for every finite x.
template <typename T>
STROP_HD T softplus(T x) {
  return (x > T(0) ? x : T(0)) + log_one_plus(exponential_below(-absolute(x)));
}

// tanh, error below 2 ulp: an odd polynomial up to 1/2, where the other form
// would cancel.
template <typename F>
STROP_HD F hyperbolic_tangent(F x) {
  const F a = absolute(x);
  const F z = x * x;
  F p = constant<F>(-0x1.b193c8p-8f);
  p = multiply_add(p, z, constant<F>(0x1.5c96fep-6f));
  p = multiply_add(p, z, constant<F>(-0x1.b97f64p-5f));
  p = multiply_add(p, z, constant<F>(0x1.110ed2p-3f));
  p = multiply_add(p, z, constant<F>(-0x1.555550p-2f));
  const F small = multiply_add(p * z, x, x);
  const F large = 1.0f - 2.0f / (exponential(2.0f * a) + 1.0f);
  const F signed_large = x < 0.0f ? -large : large;
  return a < 0.5f ? small : signed_large;
}

STROP_HD double hyperbolic_tangent(double x) { return __builtin_tanh(x); }

// The standard normal distribution function, error below 8 ulp on both sides,
// and its density. With a = |x| the smaller tail is e^(-a^2/2) M(a): M has no
// exponential in it, so that (3.5 + a) M is a polynomial in (a - 3.5) / (a +
// 3.5) of degree 9, relative error 2^-25. The tail keeps its digits where
// 1 + erf(x / sqrt(2)) has none left.
template <typename F>
STROP_HD F normal_distribution(F x, F& density) {
  const F a = at_most(absolute(x), 16.0f);
  const F square = a * a;
  const F square_low = multiply_add(a, a, -square);
  F e = exponential_below(-0.5f * square);
  e = multiply_add(-0.5f * square_low, e, e);
  density = 0x1.988454p-2f * e;
  const F t = 1.0f / (a + 3.5f);
  const F u = (a - 3.5f) * t;
  F p = constant<F>(0x1.8dad06p-14f);
  p = multiply_add(p, u, constant<F>(0x1.aabbb6p-12f));
  p = multiply_add(p, u, constant<F>(-0x1.f0072ap-12f));
  p = multiply_add(p, u, constant<F>(-0x1.9da610p-9f));
  p = multiply_add(p, u, constant<F>(0x1.a8e572p-8f));
  p = multiply_add(p, u, constant<F>(0x1.1d1084p-6f));
  p = multiply_add(p, u, constant<F>(-0x1.db58aap-4f));
  p = multiply_add(p, u, constant<F>(0x1.42ff04p-2f));
  p = multiply_add(p, u, constant<F>(-0x1.219152p-1f));
  p = multiply_add(p, u, constant<F>(0x1.7d241ap-1f));
  const F tail = p * t * e;
  return x < 0.0f ? tail : 1.0f - tail;
}

STROP_HD double normal_distribution(double x, double& density) {
  constexpr double kRootHalf = 0.70710678118654752440084436210485;
  density = 0.39894228040143267793994605993438 * exponential(-0.5 * x * x);
  return 0.5 * __builtin_erfc(-x * kRootHalf);
}

// log x, error below 2 ulp; a denormal counts as 2^-127. As in the one for
// double below, the significand lies in [0.7, 1.4].
STROP_HD float natural_logarithm(float x) {
  constexpr std::uint32_t kRootHalf = 0x3f3504f3;
  const std::uint32_t bits = bits_as<std::uint32_t>(x);
  const std::int32_t power = std::int32_t(bits - kRootHalf) >> 23;
  const float m = bits_as<float>(bits - (std::uint32_t(power) << 23));
  const float n = float(power);
  const float s = (m - 1.0f) / (m + 1.0f);
  const float z = s * s;
  float p = 2.0f / 9;
  p = multiply_add(p, z, 2.0f / 7);
  p = multiply_add(p, z, 2.0f / 5);
  p = multiply_add(p, z, 2.0f / 3);
  // ln 2 in two parts, the first short enough that n times it is exact.
  const float low = multiply_add(n, 0x1.7f7d1cp-20f, s * z * p);
  const float log = multiply_add(n, 0x1.62e4p-1f, 2.0f * s + low);
  const float infinity = bits_as<float>(0x7f800000u);
  const float outside = x == 0.0f ? -infinity : bits_as<float>(0x7fc00000u);
  return x > 0.0f ? (x < infinity ? log : x) : outside;
}

STROP_HD double natural_logarithm(double x) { return __builtin_log(x); }

// log(1 + x) for x > -1/2: what rounding 1 + x lost is put back.
STROP_HD float natural_logarithm_one_plus(float x) {
  const float sum = 1.0f + x;
  const float log = natural_logarithm(sum);
  const float lost = x - (sum - 1.0f);
  return sum < bits_as<float>(0x7f800000u) ? log + lost / sum : log;
}

STROP_HD double natural_logarithm_one_plus(double x) {
  return __builtin_log1p(x);
}

// log cosh x for x >= 0, error below 3 ulp: its series up to 1/2, where the
// other form would cancel.
STROP_HD float logarithm_of_cosh(float x) {
  const float z = x * x;
  float p = -691.0f / 935550;
  p = multiply_add(p, z, 31.0f / 14175);
  p = multiply_add(p, z, -17.0f / 2520);
  p = multiply_add(p, z, 1.0f / 45);
  p = multiply_add(p, z, -1.0f / 12);
  p = multiply_add(p, z, 0.5f);
  const float e = exponential_below(-2.0f * x);
  const float large = x + (log_one_plus(e) - 0x1.62e430p-1f);
  return x < 0.5f ? z * p : large;
}

STROP_HD double logarithm_of_cosh(double x) {
  return x + __builtin_log1p(0.5 * __builtin_expm1(-2.0 * x));
}

// log x for x >= 1, finite; NaN and infinity become NaN. 2 artanh of
// (m - 1) / (m + 1) for the significand m in [0.7, 1.4], a series whose square
// argument is at most 0.0295: ten terms leave 2^-56.
STROP_HD double logarithm(double x) {
  const std::uint64_t bits = bits_as<std::uint64_t>(x);
  // The exponent as a double, by the low bits of 2^52.
  constexpr std::uint64_t kLow = 0x4330000000000000;
  const double raised = bits_as<double>((bits >> 52) | kLow) - 0x1p52;
  const double first =
      bits_as<double>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
  const bool upper = first > 1.4142135623730951;
  const double m = upper ? 0.5 * first : first;
  const double n = raised - (upper ? 1022.0 : 1023.0);
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = 2.0 / 21;
  p = multiply_add(p, z, 2.0 / 19);
  p = multiply_add(p, z, 2.0 / 17);
  p = multiply_add(p, z, 2.0 / 15);
  p = multiply_add(p, z, 2.0 / 13);
  p = multiply_add(p, z, 2.0 / 11);
  p = multiply_add(p, z, 2.0 / 9);
  p = multiply_add(p, z, 2.0 / 7);
  p = multiply_add(p, z, 2.0 / 5);
  p = multiply_add(p, z, 2.0 / 3);
  const double low = multiply_add(n, 0x1.abc9e3b39803fp-56, s * z * p);
  return multiply_add(n, 0x1.62e42fefa39efp-1, 2 * s + low) + (x - x);
}

}  // namespace strop
