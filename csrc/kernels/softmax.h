#pragma once

#include "kernels/base.h"

namespace strop {

// Rows of C logits to probabilities, or to their logarithms. `out` may be `x`.
template <typename T>
struct SoftmaxForward {
  const T* x;  // (N, C)
  T* out;      // (N, C)
  Index rows, classes;
  bool log;
};

// The gradient of the same, from its output. `grad_x` may be `grad`.
template <typename T>
struct SoftmaxBackward {
  const T* grad;  // (N, C)
  const T* out;   // (N, C)
  T* grad_x;      // (N, C)
  Index rows, classes;
  bool log;
};

// Rows that share one partial sum of the loss.
inline constexpr Index kSoftmaxChunk = 64;

// loss = scale * sum_i weight_i (logsumexp(z_i) - <q_i, z_i>), with q the
// target smoothed: (1 - smoothing) target + smoothing / C. Rows with label
// `ignore_class` add nothing.
template <typename T>
struct SoftmaxCrossEntropy {
  const T* logits;   // (N, C)
  const T* target;   // (N, C), or null where `labels` are given
  Ids labels;        // (N)
  const T* weight;   // (N), or null
  T* grad;           // (N, C); CUDA: may be `logits`
  T* probabilities;  // (N, C), or null
  double* partials;  // one per kSoftmaxChunk rows; CUDA: cuda::loss_parts
  Index rows, classes;
  double scale;  // CUDA: where rows may be ignored, 1 / those that are not
  double smoothing;
  bool has_ignore;
  Index ignore_class;
  double* value = nullptr;  // CUDA: the loss
};

#define STROP_SOFTMAX_KERNELS(X)       \
  X(softmax_forward, SoftmaxForward)   \
  X(softmax_backward, SoftmaxBackward) \
  X(softmax_cross_entropy, SoftmaxCrossEntropy)

STROP_DECLARE_KERNELS(STROP_SOFTMAX_KERNELS, STROP_DECLARE)

namespace cuda {
// Of softmax_cross_entropy.
Index loss_parts(Index rows, Index classes, bool is_double);
}  // namespace cuda

}  // namespace strop
