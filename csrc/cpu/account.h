#pragma once

#include <algorithm>

#include "kernels/base.h"

namespace strop::cpu {

// Whether sharing work pays at present: an account of the time it saved against
// the caller doing everything. On a busy machine a worker may be stopped, 4 ms
// at a time, while it holds parts and its caller waits; more workers are
// stopped more often. Once the account is empty work is not shared for a while,
// and longer each time it does not pay then either.
class Account {
 public:
  bool closed(Index time) const { return time < closed_until_; }

  // saved: what others did, in the caller's time. waited: for their last parts.
  void enter(Index saved, Index waited, Index time) {
    balance_ = std::min(balance_ + saved - waited, kMost);
    if (balance_ > kMost / 2) pause_ = kShortestPause;
    if (balance_ >= 0) return;
    balance_ = 0;
    closed_until_ = time + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  }

 private:
  // Enough for one stop of a worker, which a quiet machine has too.
  static constexpr Index kMost = 6'000'000;
  static constexpr Index kShortestPause = 10'000'000;
  static constexpr Index kLongestPause = 640'000'000;

  Index balance_ = kMost;
  Index closed_until_ = 0;
  Index pause_ = kShortestPause;
};

}  // namespace strop::cpu
