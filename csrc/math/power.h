#pragma once

#include <cstdint>

#include "math/macros.h"

namespace strop {

// Powers for n >= 0 by squaring. + - * alone, so that host and device have the
// same bits: their pow differ by an ulp.

// A number as the sum of two, 106 bits in all.
struct DoubleDouble {
  double high, low;
};

// a b, with the rounding of the product of the upper parts (Dekker 1971).
STROP_HD DoubleDouble multiply(const DoubleDouble& a, const DoubleDouble& b) {
  const double split = 134217729;  // 2^27 + 1
  const double a_part = split * a.high, b_part = split * b.high;
  const double a1 = a_part - (a_part - a.high), a2 = a.high - a1;
  const double b1 = b_part - (b_part - b.high), b2 = b.high - b1;
  const double product = a.high * b.high;
  const double rounding = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
  const double rest = rounding + (a.high * b.low + a.low * b.high);
  const double high = product + rest;
  return {high, rest - (high - product)};
}

// base^n for base in [0, 1], rounded once but for one case in a million: what
// a good pow gives, and so the bits that users of pow have.
STROP_HD double power(double base, std::int64_t n) {
  DoubleDouble result{1, 0}, square{base, 0};
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result.high;
}

// 1 - (1 - lost)^n for lost in [0, 1], from such differences alone:
// 1 - xy = (1 - x) + (1 - y) x.
STROP_HD double lost_after(double lost, std::int64_t n) {
  double result = 0;
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) result += lost * (1 - result);
    lost *= 2 - lost;
  }
  return result;
}

// 1 - base^n for base in [0, 1], which corrections of a bias want. The power is
// rounded first, as everywhere else: where base is near 1 another way would be
// closer to the truth by up to 1 / (1 - base) roundings, and as far from the
// numbers of other libraries.
STROP_HD double one_minus_power(double base, std::int64_t n) {
  return 1 - power(base, n);
}

}  // namespace strop
