#pragma once

#include "kernels.h"

namespace strop::cpu {

// The end of the run of one id that starts at `begin`: padding is a run of
// hundreds, so 32 ids are compared at a time.
template <typename Id>
STROP_HD Index run_end(const Id* ids, Index begin, Index end) {
  constexpr Index kBlock = 32;
  const Id first = ids[begin];
  Index at = begin + 1;
  while (at + kBlock <= end) {
    Id differs = 0;
    for (Index k = 0; k < kBlock; ++k) differs |= ids[at + k] ^ first;
    if (differs != 0) break;
    at += kBlock;
  }
  while (at < end && ids[at] == first) ++at;
  return at;
}

}  // namespace strop::cpu
