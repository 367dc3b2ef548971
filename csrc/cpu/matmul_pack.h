#pragma once

#include "cpu/matmul_product.h"
#include "cpu/simd.h"

// Panels of an operand in the order in which the register tile reads them:
// (depth, stride), row by row. A panel either copies runs of its source or
// transposes it, in squares that fit the registers.

namespace strop::cpu::STROP_ISA {
namespace {

// Square<T>::kSide x kSide elements; the rows of source and target are
// `source_stride` and `target_stride` apart.
template <typename T>
struct Square {
  static constexpr int kSide = 4;
  STROP_HD void transpose(const T* source, Index source_stride, T* target,
                          Index target_stride) {
    for (int j = 0; j < kSide; ++j) {
      for (int i = 0; i < kSide; ++i) {
        target[j * target_stride + i] = source[i * source_stride + j];
      }
    }
  }
};

#if defined(__AVX2__)

template <>
struct Square<float> {
  static constexpr int kSide = 8;
  STROP_HD void transpose(const float* source, Index source_stride,
                          float* target, Index target_stride) {
    __m256 r[8], s[8];
#pragma GCC unroll 8
    for (int i = 0; i < 4; ++i) {
      // Rows i and i + 4 meet in one register, so that the rest of the work
      // stays within 16-byte lanes.
      const __m128 upper = _mm_loadu_ps(source + i * source_stride);
      const __m128 lower = _mm_loadu_ps(source + (i + 4) * source_stride);
      const __m128 upper4 = _mm_loadu_ps(source + i * source_stride + 4);
      const __m128 lower4 = _mm_loadu_ps(source + (i + 4) * source_stride + 4);
      r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(upper), lower, 1);
      r[i + 4] =
          _mm256_insertf128_ps(_mm256_castps128_ps256(upper4), lower4, 1);
    }
#pragma GCC unroll 8
    for (int h = 0; h < 8; h += 4) {
      const __m256 t0 = _mm256_unpacklo_ps(r[h], r[h + 1]);
      const __m256 t1 = _mm256_unpackhi_ps(r[h], r[h + 1]);
      const __m256 t2 = _mm256_unpacklo_ps(r[h + 2], r[h + 3]);
      const __m256 t3 = _mm256_unpackhi_ps(r[h + 2], r[h + 3]);
      s[h] = _mm256_shuffle_ps(t0, t2, 0x44);
      s[h + 1] = _mm256_shuffle_ps(t0, t2, 0xee);
      s[h + 2] = _mm256_shuffle_ps(t1, t3, 0x44);
      s[h + 3] = _mm256_shuffle_ps(t1, t3, 0xee);
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j)
      _mm256_storeu_ps(target + j * target_stride, s[j]);
  }
};

template <>
struct Square<double> {
  static constexpr int kSide = 4;
  STROP_HD void transpose(const double* source, Index source_stride,
                          double* target, Index target_stride) {
    __m256d r[4];
#pragma GCC unroll 4
    for (int i = 0; i < 2; ++i) {
      const double* one = source + i * source_stride;
      const double* two = source + (i + 2) * source_stride;
      r[i] = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(one)),
                                  _mm_loadu_pd(two), 1);
      r[i + 2] =
          _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(one + 2)),
                               _mm_loadu_pd(two + 2), 1);
    }
    _mm256_storeu_pd(target, _mm256_unpacklo_pd(r[0], r[1]));
    _mm256_storeu_pd(target + target_stride, _mm256_unpackhi_pd(r[0], r[1]));
    _mm256_storeu_pd(target + 2 * target_stride,
                     _mm256_unpacklo_pd(r[2], r[3]));
    _mm256_storeu_pd(target + 3 * target_stride,
                     _mm256_unpackhi_pd(r[2], r[3]));
  }
};

#endif

// How far apart rows of a packed panel of B lie.
template <typename T>
STROP_HD Index panel_stride(Index width) {
  constexpr Index kUnit = Wide<T>::kLanes / 2 > Square<T>::kSide
                              ? Wide<T>::kLanes / 2
                              : Square<T>::kSide;
  return round_up(width, kUnit);
}

// target[k * stride + j] = source[k * source_stride + j] for j < width, zeros
// up to `padded`. The usual width is known to the compiler.
template <int kUsual, typename T>
void copy_panel(const T* source, Index source_stride, Index depth, int width,
                int padded, T* target, Index stride) {
  if (width == kUsual && padded == kUsual) {
    for (Index k = 0; k < depth; ++k) {
      __builtin_memcpy(target, source, kUsual * sizeof(T));
      source += source_stride;
      target += stride;
    }
    return;
  }
  for (Index k = 0; k < depth; ++k) {
    for (int j = 0; j < width; ++j) target[j] = source[j];
    for (int j = width; j < padded; ++j) target[j] = 0;
    source += source_stride;
    target += stride;
  }
}

// Several panels side by side, kStep columns of the source apart: it is read in
// runs of all of them, since rows far apart would each cost a page of their
// own.
template <int kUsual, int kStep, typename T>
void copy_panels(const T* source, Index source_stride, Index depth,
                 Index panels, T* target, Index stride) {
  for (Index k = 0; k < depth; ++k) {
    const T* from = source + k * source_stride;
    T* to = target + k * stride;
    for (Index i = 0; i < panels; ++i) {
      __builtin_memcpy(to, from, kUsual * sizeof(T));
      from += kStep;
      to += depth * stride;
    }
  }
}

// target[k * stride + j] = source[j * source_stride + k], the same otherwise.
template <typename T>
void transpose_panel(const T* source, Index source_stride, Index depth,
                     int width, int padded, T* target, Index stride) {
  constexpr int kSide = Square<T>::kSide;
  int j = 0;
  for (; j + kSide <= width; j += kSide) {
    const T* from = source + j * source_stride;
    T* to = target + j;
    Index k = 0;
    for (; k + kSide <= depth; k += kSide) {
      Square<T>::transpose(from + k, source_stride, to + k * stride, stride);
    }
    for (; k < depth; ++k) {
      for (int i = 0; i < kSide; ++i) {
        to[k * stride + i] = from[i * source_stride + k];
      }
    }
  }
  for (; j < padded; ++j) {
    for (Index k = 0; k < depth; ++k) {
      target[k * stride + j] = j < width ? source[j * source_stride + k] : 0;
    }
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
