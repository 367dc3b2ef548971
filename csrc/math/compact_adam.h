#pragma once

#include <cstdint>

#include "math/macros.h"

namespace strop {

// How a moment is kept in fewer bits than float32. Each decoder is exact to a
// few roundings and gives back the bits that were encoded.

// ---- bfloat16: the upper half of a float32 ----------------------------------

STROP_HD std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}

STROP_HD float float_of(std::uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}

STROP_HD float from_bfloat16(std::uint16_t x) {
  return float_of(std::uint32_t{x} << 16);
}

// Rounded up or down by chance, so that the mean is x: `chance` is uniform in
// [0, 65536). To the nearest, a second moment would stand still: a step moves
// it by 1 - beta2 = 1/1000, and half a unit of bfloat16 is 1/512 to 1/256. NaN
// stays NaN, and infinity infinity.
STROP_HD std::uint16_t to_bfloat16(float x, std::uint32_t chance) {
  const std::uint32_t bits = bits_of(x);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t rounded =
      magnitude > 0x7f800000u ? bits | 0x400000u : bits + chance;
  return std::uint16_t(rounded >> 16);
}

// 32 bits that depend on the step and the element alone: the same on every
// thread and set, and in a run that goes on from a file. The mixer is
// lowbias32 (Wellons 2018): each bit in flips each bit out with a chance of
// 0.5 to within 0.2 %.
STROP_HD std::uint32_t mixed(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// Of a step, by its number.
STROP_HD std::uint32_t key_of(std::int64_t step) {
  return mixed(std::uint32_t(step));
}

STROP_HD std::uint32_t chance_of(std::uint32_t key, std::uint32_t element) {
  return mixed(element ^ key);
}

// ---- 8 bits: the dynamic map of a number in [0, 1] --------------------------

// Seven decades from 1e-7 to 1, each with twice the cells of the one below: a
// code stands for the middle of its cell, and a number gets the nearest code.
// Cell k of [2^(i+1), 2^(i+2)) is in decade i, so that the exponent of k says
// the decade; 0 and 1 have codes of their own (Dettmers et al. 2022, 2.2).
// Powers of ten are made of 10, 100 and 10,000: three choices instead of six.

// The cell of x in [0, 1), as a number below 256: its whole part is k. Where
// `joined` cells of a decade share a code, so that k falls by as many at once.
// The first fifth of a decade's first code is nearer to the code below it.
STROP_HD float cell_of(float x, float joined) {
  float cells = 128;
  const bool below4 = x < 1e-4f;
  x = below4 ? x * 1e4f : x;
  cells = below4 ? cells * 0x1p-4f : cells;
  const bool below2 = x < 1e-2f;
  x = below2 ? x * 1e2f : x;
  cells = below2 ? cells * 0x1p-2f : cells;
  const bool below1 = x < 1e-1f;
  x = below1 ? x * 1e1f : x;
  cells = below1 ? cells * 0x1p-1f : cells;
  const float within = x * (1 / 0.9f) - 0.1f / 0.9f;  // [0.1, 1) to [0, 1)
  const float past = cells * within;
  return cells + past - (past < 0.2f * joined ? joined : 0);
}

// The number `part` of the way through cell k.
STROP_HD float in_cell(float k, float part) {
  const std::uint32_t bits = bits_of(k + part);
  const float within = float_of((bits & 0x7fffffu) | 0x3f800000u);  // [1, 2)
  const std::uint32_t decade = (bits >> 23) - 128;
  float power = 1e-6f;
  power = (decade & 1) != 0 ? power * 1e1f : power;
  power = (decade & 2) != 0 ? power * 1e2f : power;
  power = (decade & 4) != 0 ? power * 1e4f : power;
  return power * (within * 0.9f - 0.8f);
}

// Codes 0 to 255. A number above 0 never gets the code of 0: the root of a
// second moment is divided by.
STROP_HD int positive_code(float x) {
  constexpr float kToOne = 1 - 0.225f / 128;  // half-way from the last cell
  const float held = x < kToOne ? x : 0.5f;
  int code = int(cell_of(held, 1)) - 1;
  code = code < 1 ? 1 : code;
  code = code < 254 ? code : 254;
  code = x > 0 ? code : 0;
  return x < kToOne ? code : 255;
}

STROP_HD float positive_value(int code) {
  const float k = float(code + 1);
  const float inside = in_cell(k, 0.5f);
  const float value = code == 255 ? 1.0f : inside;
  return code == 0 ? 0.0f : value;
}

// With a sign: half as many cells to each side; code 127 is 0, 255 is 1, and
// there is none for -1.
STROP_HD int signed_code(float x) {
  constexpr float kToOne = 1 - 0.225f / 64;
  const float size = x < 0 ? -x : x;
  const float held = size < kToOne ? size : 0.5f;
  int k = int(cell_of(held, 2) * 0.5f);
  k = k < 127 ? k : 127;
  k = size < kToOne ? k : (x < 0 ? 127 : 128);
  k = size == size ? k : 0;
  return 127 + (x < 0 ? -k : k);
}

STROP_HD float signed_value(int code) {
  const int k = code - 127;
  const int size = k < 0 ? -k : k;
  const float inside = in_cell(float(2 * size), 1.0f);
  float value = size == 128 ? 1.0f : inside;
  value = size == 0 ? 0.0f : value;
  return k < 0 ? -value : value;
}

}  // namespace strop
