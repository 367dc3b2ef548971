#pragma once

#include "cpu/simd.h"

// A few sums of vectors of channels in registers: sum i is one fmadd per term
// of a[i a_stride + ...] with b[...], channel by channel.

namespace strop::cpu::STROP_ISA {
namespace {

template <typename T>
struct ChannelTile {
  const T* a;
  Index a_stride;  // between sums
  Index a_step;    // between terms of a run
  Index run_step;  // between runs
  Index length, runs;
  const T* b;
  Index b_step;  // between terms, through all runs
  T* out;
  Index out_stride;  // between sums
  const T* bias;     // or null
  bool add;          // to out; else overwrite it
  bool relu;
};

constexpr int kMostSums = 4;

template <typename T, int kSums, int kVectors, bool kMasked>
void channel_tile(const ChannelTile<T>& t, Index at, int rest) {
  using V = Wide<T>;
  const auto mask = V::first(rest);
  const auto load = [&](const T* p) __attribute__((always_inline)) {
    return kMasked ? V::load(p, mask) : V::load(p);
  };
  typename V::Reg sum[kSums][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[i][v] = V::zero();
  }
  const T* b = t.b + at;
  for (Index run = 0; run < t.runs; ++run) {
    const T* a = t.a + at + run * t.run_step;
    for (Index k = 0; k < t.length; ++k) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const auto y = load(b + v * V::kLanes);
#pragma GCC unroll 16
        for (int i = 0; i < kSums; ++i) {
          sum[i][v] =
              V::fmadd(load(a + i * t.a_stride + v * V::kLanes), y, sum[i][v]);
        }
      }
      a += t.a_step;
      b += t.b_step;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      T* out = t.out + at + i * t.out_stride + v * V::kLanes;
      auto x = sum[i][v];
      if (t.add) x = V::add(load(out), x);
      if (t.bias != nullptr) {
        x = V::add(x, load(t.bias + at + v * V::kLanes));
      }
      if (t.relu) x = V::relu(x);
      if constexpr (kMasked) {
        V::store(out, x, mask);
      } else {
        V::store(out, x);
      }
    }
  }
}

template <typename T, int kSums>
void all_channels(const ChannelTile<T>& t, Index channels) {
  constexpr Index kL = Wide<T>::kLanes;
  Index at = 0;
  for (; at + 2 * kL <= channels; at += 2 * kL) {
    channel_tile<T, kSums, 2, false>(t, at, 0);
  }
  for (; at < channels; at += kL) {
    channel_tile<T, kSums, 1, true>(
        t, at, int(channels - at < kL ? channels - at : kL));
  }
}

template <typename T>
void all_channels(const ChannelTile<T>& t, int sums, Index channels) {
  switch (sums) {
    case 1:
      return all_channels<T, 1>(t, channels);
    case 2:
      return all_channels<T, 2>(t, channels);
    case 3:
      return all_channels<T, 3>(t, channels);
    default:
      return all_channels<T, 4>(t, channels);
  }
}

STROP_HD Parts sums_of(Index n) { return {n, (n + kMostSums - 1) / kMostSums}; }

}  // namespace
}  // namespace strop::cpu::STROP_ISA
