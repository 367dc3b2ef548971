#pragma once

#include "cpu/tensors.h"
#include "kernels/compact_adam.h"
#include "math/compact_adam.h"

// An Adam step on blocks of 8-bit codes: decoded, moved and encoded in a buffer
// that stays in the first cache.

namespace strop::cpu::STROP_ISA {
namespace {

using Bytes = std::uint8_t;

// Elements that are worked on at once: one zmm, two ymm, four q.
constexpr Index kRun = 16;

// What elements share in a step.
struct Rule {
  AdamCoefficients<float> c;
  Gradient<float> gradient;
  std::uint32_t key;
};

STROP_HD float loaded(const Bytes* at) {
  float x;
  __builtin_memcpy(&x, at, sizeof(x));
  return x;
}

STROP_HD void stored(Bytes* at, float x) {
  __builtin_memcpy(at, &x, sizeof(x));
}

// One block between decoding and encoding. Codes are widened and narrowed in
// loops of their own: in a loop of bytes and floats the compiler takes vectors
// of 4 floats, and an element takes 10 ns. What is left of the last run of 16
// is 0, so that every loop has one length.
struct Block {
  std::int32_t codes1[kMomentBlock];
  std::int32_t codes2[kMomentBlock];
  float moment1[kMomentBlock];
  float root[kMomentBlock];  // of the second moment
};

STROP_HD void widen(std::int32_t* __restrict to, const Bytes* __restrict from,
                    Index n, std::int32_t zero) {
  Index d = 0;
  for (; d + kRun <= n; d += kRun) {
#pragma GCC ivdep
    for (Index i = 0; i < kRun; ++i) to[d + i] = from[d + i];
  }
  if (d == n) return;
  for (Index i = 0; i < kRun; ++i) to[d + i] = d + i < n ? from[d + i] : zero;
}

STROP_HD void narrow(Bytes* __restrict to, const std::int32_t* __restrict from,
                     Index n) {
  Index d = 0;
  for (; d + kRun <= n; d += kRun) {
#pragma GCC ivdep
    for (Index i = 0; i < kRun; ++i) to[d + i] = Bytes(from[d + i]);
  }
  for (; d < n; ++d) to[d] = Bytes(from[d]);
}

STROP_HD void decode_run(float* __restrict moment1, float* __restrict root,
                         const std::int32_t* __restrict codes1,
                         const std::int32_t* __restrict codes2, float scale1,
                         float scale2) {
#pragma GCC ivdep
  for (Index i = 0; i < kRun; ++i) {
    moment1[i] = signed_value(codes1[i]) * scale1;
    root[i] = positive_value(codes2[i]) * scale2;
  }
}

STROP_HD void move_run(GradientForm form, float* __restrict param,
                       float* __restrict moment1, float* __restrict root,
                       const float* __restrict grad, Index n, const Rule& r) {
#pragma GCC ivdep
  for (Index i = 0; i < n; ++i) {
    float v = root[i] * root[i];
    adam_moments(moment1[i], v,
                 seen_gradient(form, grad[i], param[i], r.gradient), r.c);
    param[i] = adam_param(param[i], moment1[i], v, r.c);
    root[i] = square_root(v);
  }
}

STROP_HD void encode_run(std::int32_t* __restrict codes1,
                         std::int32_t* __restrict codes2,
                         const float* __restrict moment1,
                         const float* __restrict root, float inverse1,
                         float inverse2) {
#pragma GCC ivdep
  for (Index i = 0; i < kRun; ++i) {
    codes1[i] = signed_code(moment1[i] * inverse1);
    codes2[i] = positive_code(root[i] * inverse2);
  }
}

// The greatest size in a run of runs. Bits without the sign are in the order of
// the numbers, and those of NaN above all.
STROP_HD float greatest(const float* __restrict x, Index whole) {
  std::int32_t tops[kRun] = {};
  for (Index d = 0; d < whole; d += kRun) {
#pragma GCC ivdep
    for (Index i = 0; i < kRun; ++i) {
      const auto size = std::int32_t(bits_of(x[d + i]) & 0x7fffffffu);
      tops[i] = tops[i] > size ? tops[i] : size;
    }
  }
  std::int32_t top = 0;
  for (Index i = 0; i < kRun; ++i) top = top > tops[i] ? top : tops[i];
  return float_of(std::uint32_t(top));
}

// One block of at most kMomentBlock elements.
STROP_HD void move_block(GradientForm form, float* param, Bytes* codes1,
                         Bytes* codes2, Bytes* top1, Bytes* top2,
                         const float* grad, Index n, const Rule& r) {
  Block b;
  const Index whole = (n + kRun - 1) / kRun * kRun;
  const float scale1 = loaded(top1);
  const float scale2 = loaded(top2);
  widen(b.codes1, codes1, n, 127);
  widen(b.codes2, codes2, n, 0);
  for (Index d = 0; d < whole; d += kRun) {
    decode_run(b.moment1 + d, b.root + d, b.codes1 + d, b.codes2 + d, scale1,
               scale2);
  }
  Index d = 0;
  for (; d + kRun <= n; d += kRun) {
    move_run(form, param + d, b.moment1 + d, b.root + d, grad + d, kRun, r);
  }
  if (d < n) {
    move_run(form, param + d, b.moment1 + d, b.root + d, grad + d, n - d, r);
  }
  const float new1 = greatest(b.moment1, whole);
  const float new2 = greatest(b.root, whole);
  const float inverse1 = new1 > 0 ? 1 / new1 : 0;
  const float inverse2 = new2 > 0 ? 1 / new2 : 0;
  for (Index e = 0; e < whole; e += kRun) {
    encode_run(b.codes1 + e, b.codes2 + e, b.moment1 + e, b.root + e, inverse1,
               inverse2);
  }
  narrow(codes1, b.codes1, n);
  narrow(codes2, b.codes2, n);
  stored(top1, new1);
  stored(top2, new2);
}

// Block `block` of row `row`; its gradient stands in row `from` of the
// gradients.
STROP_HD void move_block_of(GradientForm form, const CompactAdamTensor& t,
                            Index row, Index from, Index block, const Rule& r) {
  const Index begin = block * kMomentBlock;
  const Index left = t.width - begin;
  const Index packed = row * packed_width(t.width);
  auto* codes1 = static_cast<Bytes*>(t.moment1) + packed;
  auto* codes2 = static_cast<Bytes*>(t.moment2) + packed;
  move_block(form, t.param + row * t.width + begin, codes1 + begin,
             codes2 + begin, codes1 + t.width + 4 * block,
             codes2 + t.width + 4 * block, t.grad + from * t.width + begin,
             left < kMomentBlock ? left : kMomentBlock, r);
}

STROP_HD Index blocks_of(Index width) {
  return (width + kMomentBlock - 1) / kMomentBlock;
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
