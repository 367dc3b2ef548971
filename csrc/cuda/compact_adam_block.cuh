#pragma once

#include "cuda/multi_tensor.cuh"
#include "cuda/numbers.cuh"
#include "kernels/compact_adam.h"
#include "math/compact_adam.h"

// An Adam step on blocks of 8-bit codes. A few lanes of a warp share a block,
// 32 where it has 256 elements and 2 in rows of 16, each with two quads of
// elements in registers from decoding to encoding.

namespace strop::cuda {

// What elements share in a step.
using SharedRule = StepRule<float, AdamCoefficients<float>>;

struct CompactRule : SharedRule {
  std::uint32_t key;
  const std::int64_t* step;  // in device memory, from which the key is made
};

// Numbers in device memory in their places, and the tensor's decay.
__device__ __forceinline__ CompactRule rule_for(const CompactRule& given,
                                                const CompactAdamTensor& t) {
  CompactRule r = given;
  r.c.decay = take_numbers(r, t.decay, t.weight_decay);
  if (r.step != nullptr) r.key = key_of(*r.step);
  return r;
}

inline constexpr Index kQuad = 4;
inline constexpr int kCodes = 256;

// log2 of the lanes that share a block of such a row.
__host__ __device__ __forceinline__ unsigned lane_bits(Index width) {
  unsigned bits = 0;
  while (bits < 5 && (2 * kQuad << bits) < width) ++bits;
  return bits;
}

__host__ __device__ __forceinline__ Index blocks_of_row(Index width) {
  return blocks_for(width, kMomentBlock);
}

// CUDA blocks for so many rows.
inline Index grid_of_rows(Index rows, Index width) {
  return blocks_for(rows * blocks_of_row(width), kBlock >> lane_bits(width));
}

// Whether elements, codes and scales of all rows may be read by quads.
inline bool has_quads(const CompactAdamTensor& t) {
  const auto places = reinterpret_cast<std::uintptr_t>(t.moment1) |
                      reinterpret_cast<std::uintptr_t>(t.moment2);
  return wide(t.param, t.grad) && t.width % kQuad == 0 && places % 4 == 0;
}

// What codes stand for: reading them here takes 2 instructions, working them
// out 20. Signed ones first.
__device__ __forceinline__ void fill_values(float* values) {
  const int code = int(threadIdx.x);
  values[code] = signed_value(code);
  values[kCodes + code] = positive_value(code);
  __syncthreads();
}

// Four bytes, the first in the lowest place; those past the end are `rest`.
__device__ __forceinline__ std::uint32_t load_bytes(const std::uint8_t* at,
                                                    Index i, Index n,
                                                    bool quads,
                                                    std::uint32_t rest) {
  if (quads && i + kQuad <= n) {
    return *reinterpret_cast<const std::uint32_t*>(at + i);
  }
  std::uint32_t bytes = 0;
#pragma unroll
  for (int j = 0; j < kQuad; ++j) {
    bytes |= (i + j < n ? std::uint32_t{at[i + j]} : rest) << 8 * j;
  }
  return bytes;
}

__device__ __forceinline__ void store_bytes(std::uint8_t* at, Index i, Index n,
                                            bool quads, std::uint32_t bytes) {
  if (quads && i + kQuad <= n) {
    *reinterpret_cast<std::uint32_t*>(at + i) = bytes;
    return;
  }
#pragma unroll
  for (int j = 0; j < kQuad; ++j) {
    if (i + j < n) at[i + j] = std::uint8_t(bytes >> 8 * j);
  }
}

// Bits without the sign are in the order of the numbers, those of NaN above
// all.
__device__ __forceinline__ int size_bits(float x) {
  return int(bits_of(x) & 0x7fffffffu);
}

__device__ __forceinline__ float greatest(int bits, unsigned lanes) {
  for (unsigned step = lanes / 2; step > 0; step /= 2) {
    bits = max(bits, __shfl_xor_sync(kAll, bits, step));
  }
  return float_of(std::uint32_t(bits));
}

// Moves block `block` of row `row`, whose gradient stands in row `from`. All
// lanes of a warp come here, also those that find no block `there`.
__device__ __forceinline__ void move_block(const CompactAdamTensor& t,
                                           const CompactRule& r, Index row,
                                           Index from, Index block, bool there,
                                           bool quads, const float* values) {
  constexpr Index kRun = 16;  // what is left of the last one counts as 0
  const unsigned lanes = 1u << lane_bits(t.width);
  const unsigned lane = threadIdx.x % lanes;
  const Index begin = block * kMomentBlock;
  const Index n = there ? min(t.width - begin, kMomentBlock) : 0;
  const Index packed = row * (t.width + 4 * blocks_of_row(t.width));
  auto* codes1 = static_cast<std::uint8_t*>(t.moment1) + packed;
  auto* codes2 = static_cast<std::uint8_t*>(t.moment2) + packed;
  const Index top = t.width + 4 * block;
  const Index n4 = there ? top + 4 : 0;
  const float scale1 = float_of(load_bytes(codes1, top, n4, quads, 0));
  const float scale2 = float_of(load_bytes(codes2, top, n4, quads, 0));
  float* param = t.param + row * t.width + begin;
  const float* grad = t.grad + from * t.width + begin;
  codes1 += begin;
  codes2 += begin;
  float moment1[2][kQuad], root[2][kQuad];
  int top1 = 0, top2 = 0;
#pragma unroll
  for (int q = 0; q < 2; ++q) {
    const Index d = (q * Index{lanes} + lane) * kQuad;
    if (d >= blocks_for(n, kRun) * kRun) break;
    const std::uint32_t old1 = load_bytes(codes1, d, n, quads, 127);
    const std::uint32_t old2 = load_bytes(codes2, d, n, quads, 0);
    const Pack<float> slope = load_once(grad, d, n, quads);
    Pack<float> p = load(param, d, n, quads);
#pragma unroll
    for (int j = 0; j < kQuad; ++j) {
      float m = values[old1 >> 8 * j & 255] * scale1;
      float s = values[kCodes + (old2 >> 8 * j & 255)] * scale2;
      if (d + j < n) {
        float v = s * s;
        const float g = seen_gradient(r.form, slope.v[j], p.v[j], r.gradient);
        adam_moments(m, v, g, r.c);
        p.v[j] = adam_param(p.v[j], m, v, r.c);
        s = square_root(v);
      }
      top1 = max(top1, size_bits(m));
      top2 = max(top2, size_bits(s));
      moment1[q][j] = m;
      root[q][j] = s;
    }
    store(param, d, n, quads, p);
  }
  const float new1 = greatest(top1, lanes);
  const float new2 = greatest(top2, lanes);
  const float inverse1 = new1 > 0 ? 1 / new1 : 0;
  const float inverse2 = new2 > 0 ? 1 / new2 : 0;
#pragma unroll
  for (int q = 0; q < 2; ++q) {
    const Index d = (q * Index{lanes} + lane) * kQuad;
    if (d >= n) break;
    std::uint32_t bytes1 = 0, bytes2 = 0;
#pragma unroll
    for (int j = 0; j < kQuad; ++j) {
      bytes1 |= unsigned(signed_code(moment1[q][j] * inverse1)) << 8 * j;
      bytes2 |= unsigned(positive_code(root[q][j] * inverse2)) << 8 * j;
    }
    store_bytes(codes1, d, n, quads, bytes1);
    store_bytes(codes2, d, n, quads, bytes2);
  }
  __syncwarp();  // all lanes have read the old ones
  if (lane != 0) return;
  store_bytes(codes1 - begin, top, n4, quads, bits_of(new1));
  store_bytes(codes2 - begin, top, n4, quads, bits_of(new2));
}

}  // namespace strop::cuda
