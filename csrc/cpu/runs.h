#pragma once

#include "kernels/base.h"

namespace strop::cpu {

// Ids compared at a time: padding is a run of hundreds.
inline constexpr Index kRunBlock = 32;

// Whether the kRunBlock ids from `ids` on are all `value`.
template <typename Id>
STROP_HD bool all_are(const Id* ids, Id value) {
  Id differs = 0;
  for (Index k = 0; k < kRunBlock; ++k) differs |= ids[k] ^ value;
  return differs == 0;
}

// The end of the run of one id that starts at `begin`.
template <typename Id>
STROP_HD Index run_end(const Id* ids, Index begin, Index end) {
  const Id first = ids[begin];
  Index at = begin + 1;
  while (at + kRunBlock <= end && all_are(ids + at, first)) at += kRunBlock;
  while (at < end && ids[at] == first) ++at;
  return at;
}

// The beginning of the run of one id that ends at `end`.
template <typename Id>
STROP_HD Index run_begin(const Id* ids, Index begin, Index end) {
  const Id last = ids[end - 1];
  Index at = end - 1;
  while (at - kRunBlock >= begin && all_are(ids + at - kRunBlock, last)) {
    at -= kRunBlock;
  }
  while (at > begin && ids[at - 1] == last) --at;
  return at;
}

}  // namespace strop::cpu
