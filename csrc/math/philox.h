#pragma once

#include <cstdint>

#include "math/macros.h"

// Philox4x64-10, the random numbers of numpy.random.Philox: four words from a
// key and a counter, whatever came before.
//
// Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011.

namespace strop {

struct PhiloxKey {
  std::uint64_t low, high;
};

struct PhiloxWords {
  std::uint64_t v[4];
};

STROP_HD std::uint64_t high_product(std::uint64_t a, std::uint64_t b) {
#if defined(__CUDA_ARCH__)
  return __umul64hi(a, b);
#else
  __extension__ using Wide = unsigned __int128;
  return std::uint64_t(Wide{a} * b >> 64);
#endif
}

STROP_HD PhiloxWords philox(PhiloxWords c, PhiloxKey key) {
  constexpr std::uint64_t kFirst = 0xd2e7470ee14c6c93;
  constexpr std::uint64_t kSecond = 0xca5a826395121157;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t high0 = high_product(kFirst, c.v[0]);
    const std::uint64_t high1 = high_product(kSecond, c.v[2]);
    c = {{high1 ^ c.v[1] ^ key.low, kSecond * c.v[2], high0 ^ c.v[3] ^ key.high,
          kFirst * c.v[0]}};
    key.low += 0x9e3779b97f4a7c15;   // the golden ratio
    key.high += 0xbb67ae8584caa73b;  // the root of 3, less 1
  }
  return c;
}

// Word `at` of the eight of 32 bits, as a number in [0, 1) of 24 bits: what
// numpy.random.Generator.random gives in float32.
STROP_HD float philox_uniform(const PhiloxWords& words, int at) {
  const auto word = std::uint32_t(words.v[at / 2] >> (at % 2 * 32));
  return float(word >> 8) * 0x1p-24f;
}

}  // namespace strop
