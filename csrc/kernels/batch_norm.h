#pragma once

#include "kernels/base.h"

namespace strop {

// x (outer, rows, channels), whose channels stand in `groups` groups of
// neighbours. Mean and variance are over the rows and the channels of a group:
// batch normalization has one outer and as many groups as channels, group
// normalization a sample for each outer.
//
// out = (x - mean) / sqrt(variance + epsilon) * gamma + beta. The statistics
// are in double, and with them an offset of float32 inputs costs no digits.
template <typename T>
struct BatchNorm {
  const T* x;
  const T* gamma;    // (channels,), or null: 1
  const T* beta;     // (channels,), or null: 0
  const bool* mask;  // (outer, rows): rows that count; or null: all
  T* out;
  double* mean;      // (outer, groups)
  double* variance;  // biased
  double* workspace;
  Index outer, rows, channels, groups;
  double epsilon;
};

// Rows that did not count have their share of the gradients of gamma and beta,
// and of those by the statistics, but none comes back to them through these.
template <typename T>
struct BatchNormBackward {
  const T* grad;
  const T* x;
  const T* gamma;
  const bool* mask;
  const double* mean;
  const double* variance;
  T* grad_x;  // or null
  T* grad_gamma;
  T* grad_beta;
  double* workspace;
  Index outer, rows, channels, groups;
  double epsilon;
};

// With statistics of other inputs, (channels,).
template <typename T>
struct BatchNormInference {
  const T* x;
  const T* mean;
  const T* variance;
  const T* gamma;
  const T* beta;
  T* out;
  double* workspace;
  Index rows, channels;
  double epsilon;
};

#define STROP_BATCH_NORM_KERNELS(X)         \
  X(batch_norm, BatchNorm)                  \
  X(batch_norm_backward, BatchNormBackward) \
  X(batch_norm_inference, BatchNormInference)

STROP_DECLARE_KERNELS(STROP_BATCH_NORM_KERNELS, STROP_DECLARE)

// Few channels are worked on as one wide row made of several: 512 and less.
inline constexpr Index kWideRow = 512;
inline constexpr Index kWideChunk = 64;  // wide rows that one part has

STROP_HD Index rows_of_wide(Index channels, bool masked) {
  Index rows = 1;
  if (masked || channels == 0) return 1;
  while (2 * rows * channels <= kWideRow) rows *= 2;
  return rows;
}

STROP_HD Index wide_chunks(Index rows, Index in_wide) {
  const Index chunks = (rows / in_wide + kWideChunk - 1) / kWideChunk;
  return chunks > 1 ? chunks : 1;
}

// Doubles of one outer: two sums and a count per chunk, two sums, and four
// coefficients for each place of a wide row.
STROP_HD Index batch_norm_workspace(Index rows, Index channels, bool masked) {
  const Index in_wide = rows_of_wide(channels, masked);
  return wide_chunks(rows, in_wide) * (2 * channels + 1) + 2 * channels +
         4 * in_wide * channels;
}

}  // namespace strop
