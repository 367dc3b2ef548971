#pragma once

#include <cstdint>

#include "math/macros.h"

namespace strop {

// Powers for n >= 0 by squaring. + - * alone, so that host and device have the
// same bits: their pow differ by an ulp.

// base^n. The error is n / 2^53 of it at most.
STROP_HD double power(double base, std::int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) result *= base;
    base *= base;
  }
  return result;
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

// 1 - base^n for base in [0, 1], which corrections of a bias want. Within
// 4 / 2^53 of itself. One that subtracts a rounded power is wrong by up to
// 1 / (1 - base) / 2^53, 500 times as much for base = 0.999.
STROP_HD double one_minus_power(double base, std::int64_t n) {
  return lost_after(1 - base, n);
}

}  // namespace strop
