#pragma once

#include <cfloat>

#include "math/macros.h"

namespace strop {

// What the rules that work element by element share: math/<rule>.h has each.

// What decay takes off a parameter. An infinite one counts as the largest
// number, since without decay 0 times infinity would be NaN; a loop without
// decay beside each one would add 0.5 MB to the library.
template <typename T>
STROP_HD T lost_share(T param, T decay) {
  constexpr T kLargest = sizeof(T) == sizeof(float) ? T(FLT_MAX) : T(DBL_MAX);
  const T below = param < kLargest ? param : kLargest;
  return decay * (below > -kLargest ? below : -kLargest);
}

// The parameter after a step that takes `change` off it, with decoupled decay
// (Loshchilov and Hutter 2019). The lost share is taken off: math/adam.h.
template <bool kDecays, typename T>
STROP_HD T changed_param(T param, T change, T decay) {
  if constexpr (kDecays) return param - (decay * param + change);
  return param - change;
}

// The running mean of x: kept * mean + weight * (x - pulled * mean), with
//
//     kept  pulled   for
//     1     1        weight < 1/2: float32 cannot hold both 0.999 and 0.001
//                    so that their sum is 1; a mean would settle 1 part in
//                    30,000 beside its x
//     beta  0        others: mean + (x - mean) would lose a small x beside a
//                    large mean, with beta = 0 all of it
template <typename T>
struct RunningMean {
  T kept;
  T weight;  // 1 - beta
  T pulled;

  STROP_HD RunningMean of(double beta) {
    const bool slow = beta > 0.5;
    return {T(slow ? 1 : beta), T(1 - beta), T(slow ? 1 : 0)};
  }
};

template <typename T>
STROP_HD T mean_after(T mean, T x, const RunningMean<T>& c) {
  return c.kept * mean + c.weight * (x - c.pulled * mean);
}

// 1, -1 or 0; NaN for NaN.
template <typename T>
STROP_HD T sign_of(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : x;
}

}  // namespace strop
