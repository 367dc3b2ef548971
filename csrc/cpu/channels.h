#pragma once

#include "cpu/lanes.h"

// Work on channels side by side, a register at a time. Nothing is summed across
// channels, so that no result depends on how many a register of the set holds.

namespace strop::cpu {

// Calls f(channel, zero) with a register of zeros for as many channels as it
// holds, and with one zero for each that is left, or for all: `by_one`.
template <typename T, typename F>
STROP_HD void for_channels(Index channels, bool by_one, const F& f) {
  using V = typename RegisterOf<T>::Type;
  constexpr Index kEach = sizeof(V) / sizeof(T);
  Index c = 0;
  for (; c + kEach <= channels && !by_one; c += kEach) f(c, V{});
  for (; c < channels; ++c) f(c, T{});
}

template <typename V, typename T>
STROP_HD V load(const T* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <typename V, typename T>
STROP_HD void store(T* to, const V& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

}  // namespace strop::cpu
