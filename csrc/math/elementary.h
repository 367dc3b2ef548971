#pragma once

#include <cmath>
#include <cstdint>

#include "math/macros.h"

// exp, log1p, sigmoid and tanh without a branch, so that plain loops over them
// vectorise. float: own polynomials, greatest errors stated and tested over the
// whole range. double, the type for checking, goes to the C library.

namespace strop {

STROP_HD std::int32_t float_bits(float x) {
  std::int32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

STROP_HD float float_from_bits(std::int32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// e^x as high + low: `high` is the rounded value, `low` what rounding it left.
// Degree 6 on [-ln2/2, ln2/2], where degree 5 has 2.8 ulp and degree 7 gains
// nothing. x beyond the clamps is 0 or infinity; NaN stays, because the
// comparisons are false for it.
STROP_HD float exponential_parts(float x, float& low) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
  constexpr float kRound = 12582912.0f;
  const float shifted = multiply_add(x, 0x1.715476p+0f, kRound);
  const float n = shifted - kRound;
  // ln 2 in two parts, the first short enough that n times it is exact.
  float t = multiply_add(n, -0x1.62e4p-1f, x);
  t = multiply_add(n, -0x1.7f7d1cp-20f, t);
  float p = 0x1.6a2466p-10f;
  p = multiply_add(p, t, 0x1.1239e2p-7f);
  p = multiply_add(p, t, 0x1.5558f2p-5f);
  p = multiply_add(p, t, 0x1.555492p-3f);
  p = multiply_add(p, t, 0x1.fffffcp-2f);
  p = multiply_add(p, t, 1.0f);
  const float rounded = multiply_add(p, t, 1.0f);
  // 2^n in two halves: n reaches -150 and 128, where one factor would be
  // denormal or infinite too soon.
  const std::int32_t whole = float_bits(shifted) - float_bits(kRound);
  const std::int32_t half = whole >> 1;
  const float scale1 = float_from_bits((half + 127) << 23);
  const float scale2 = float_from_bits((whole - half + 127) << 23);
  low = multiply_add(p, t, 1.0f - rounded) * scale1 * scale2;
  return rounded * scale1 * scale2;
}

// e^x, error below 1 ulp (0.87 measured).
STROP_HD float exponential(float x) {
  float low;
  return exponential_parts(x, low);
}

STROP_HD double exponential(double x) { return __builtin_exp(x); }

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

template <typename T>
STROP_HD T absolute(T x) {
  return x < T(0) ? -x : x;
}

// 1 / (1 + e^-x), error below 1.5 ulp. The exponential of -|x| never
// overflows. On the small side e / (1 + e) the roundings of e and of 1 + e
// would add up to 2.1 ulp, so what they left is put back.
STROP_HD float logistic(float x) {
  float e_low;
  const float e = exponential_parts(-absolute(x), e_low);
  const float d = 1.0f + e;
  const float d_low = (1.0f - d) + e + e_low;
  const float small = e / d;
  const float mended = small + (e_low - small * d_low) * (1.0f - small);
  return x < 0.0f ? mended : 1.0f / d;
}

STROP_HD double logistic(double x) {
  const double e = exponential(-absolute(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

// log(1 + e^x), finite for every finite x.
template <typename T>
STROP_HD T softplus(T x) {
  return (x > T(0) ? x : T(0)) + log_one_plus(exponential(-absolute(x)));
}

// tanh, error below 2 ulp: an odd polynomial up to 1/2, where the other form
// would cancel.
STROP_HD float hyperbolic_tangent(float x) {
  const float a = absolute(x);
  const float z = x * x;
  float p = -0x1.b193c8p-8f;
  p = multiply_add(p, z, 0x1.5c96fep-6f);
  p = multiply_add(p, z, -0x1.b97f64p-5f);
  p = multiply_add(p, z, 0x1.110ed2p-3f);
  p = multiply_add(p, z, -0x1.555550p-2f);
  const float small = multiply_add(p * z, x, x);
  const float large = 1.0f - 2.0f / (exponential(2.0f * a) + 1.0f);
  const float signed_large = x < 0.0f ? -large : large;
  return a < 0.5f ? small : signed_large;
}

STROP_HD double hyperbolic_tangent(double x) { return __builtin_tanh(x); }

STROP_HD float error_function(float x) { return __builtin_erff(x); }
STROP_HD double error_function(double x) { return __builtin_erf(x); }

}  // namespace strop
