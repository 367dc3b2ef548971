// The roofs of the roofline: as many multiply-adds as the registers allow, and
// a copy. Nothing is computed; the sums tend to 1, so that no value is denormal
// or infinite. Each function names its own instruction set (target), so the
// file is compiled once.

#include "cpu/peak.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "cpu/isa.h"

namespace strop::cpu {
namespace {

// 4 cycles of latency at up to 4 multiply-adds a cycle ask for 16 sums at
// once. 16 registers hold 12 and the two factors, enough for 2 a cycle.
constexpr float kFactor = 0.999f;
constexpr float kTerm = 0.001f;

volatile float sink;  // what keeps the compiler from leaving the loop out

#if defined(__x86_64__)

__attribute__((target("avx512f"))) Index run_avx512(Index rounds) {
  constexpr int kSums = 24;
  const __m512 factor = _mm512_set1_ps(kFactor), term = _mm512_set1_ps(kTerm);
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = term;
  for (Index i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kSums; ++j) {
      sums[j] = _mm512_fmadd_ps(sums[j], factor, term);
    }
  }
  __m512 total = sums[0];
  for (int j = 1; j < kSums; ++j) total = _mm512_add_ps(total, sums[j]);
  sink = _mm512_cvtss_f32(total);
  return rounds * kSums * 16 * 2;
}

__attribute__((target("avx2,fma"))) Index run_avx2(Index rounds) {
  constexpr int kSums = 12;
  const __m256 factor = _mm256_set1_ps(kFactor), term = _mm256_set1_ps(kTerm);
  __m256 sums[kSums];
  for (__m256& sum : sums) sum = term;
  for (Index i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kSums; ++j) {
      sums[j] = _mm256_fmadd_ps(sums[j], factor, term);
    }
  }
  __m256 total = sums[0];
  for (int j = 1; j < kSums; ++j) total = _mm256_add_ps(total, sums[j]);
  sink = _mm256_cvtss_f32(total);
  return rounds * kSums * 8 * 2;
}

#endif

// Four lanes: NEON fuses, the baseline of x86-64 multiplies, then adds.
typedef float F32x4 __attribute__((vector_size(16)));

Index run_lanes(Index rounds) {
#if defined(__aarch64__)
  constexpr int kSums = 24;
#else
  constexpr int kSums = 12;
#endif
  const F32x4 factor = kFactor - F32x4{}, term = kTerm - F32x4{};
  F32x4 sums[kSums];
  for (F32x4& sum : sums) sum = term;
  for (Index i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kSums; ++j) {
#if defined(__aarch64__)
      sums[j] = vfmaq_f32(term, sums[j], factor);
#else
      sums[j] = sums[j] * factor + term;
#endif
    }
  }
  F32x4 total = sums[0];
  for (int j = 1; j < kSums; ++j) total += sums[j];
  sink = total[0];
  return rounds * kSums * 4 * 2;
}

}  // namespace

Index multiply_add_loop(Index rounds) {
#if defined(__x86_64__)
  const char* isa = active_isa();
  if (std::strcmp(isa, "avx512") == 0) return run_avx512(rounds);
  if (std::strcmp(isa, "avx2") == 0) return run_avx2(rounds);
#endif
  return run_lanes(rounds);
}

void copy_loop(float* target, const float* source, Index bytes, Index times,
               bool streaming) {
  const Index count = bytes / static_cast<Index>(sizeof(float));
  for (Index i = 0; i < times; ++i) {
#if defined(__x86_64__)
    if (streaming) {
      for (Index j = 0; j < count; j += 4) {
        _mm_stream_ps(target + j, _mm_loadu_ps(source + j));
      }
      _mm_sfence();
      continue;
    }
#else
    (void)streaming;
#endif
    std::memcpy(target, source, count * sizeof(float));
    __asm__ volatile("" : : "r"(target), "r"(source) : "memory");
  }
}

}  // namespace strop::cpu
