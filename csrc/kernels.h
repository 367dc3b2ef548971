#pragma once

#include <cstddef>
#include <cstdint>

#include "math/activation.h"
#include "math/adam.h"

// The contract of every kernel, on one page. A kernel is a function of one
// struct, `void name(const Args<T>&, Stream)` for T = float and double;
// `strop::cpu` and `strop::cuda` implement the same functions.
//
// Arrays are row-major and contiguous. Nothing is checked here: csrc/bind has
// done that before a kernel is called. Shape letters: csrc/README.md.

namespace strop {

using Index = std::int64_t;

// A CUDA stream handle as Python hands it over; the CPU backend ignores it.
struct Stream {
  std::uintptr_t handle = 0;
};

// Ids as the user has them, int32 or int64; all lie in [0, V).
struct Ids {
  const void* data;
  Index size;
  bool wide;  // int64
};

// ---- activation ------------------------------------------------------------

// out = activate(x). `out` may be `x`.
template <typename T>
struct ActivationForward {
  const T* x;
  T* out;
  Index size;
  Activation which;
  ActivationSettings<T> settings;
};

// grad_x = grad * slope(x, out). `grad_x` may be `grad`.
template <typename T>
struct ActivationBackward {
  const T* grad;
  const T* x;
  const T* out;
  T* grad_x;
  Index size;
  Activation which;
  ActivationSettings<T> settings;
};

#define STROP_ACTIVATION_KERNELS(X)        \
  X(activation_forward, ActivationForward) \
  X(activation_backward, ActivationBackward)

// ---- adam ------------------------------------------------------------------

// One parameter tensor of a step: four arrays of `size` elements that do not
// overlap. `param` and the moments are updated, `grad` is only read.
// `max_moment2` is null but for AMSGrad.
template <typename T>
struct AdamTensor {
  T* param;
  T* moment1;
  T* moment2;
  T* max_moment2;
  const T* grad;
  Index size;
};

// Many tensors in one call, so that a hundred small ones cost one.
template <typename T>
struct AdamStep {
  const AdamTensor<T>* tensors;
  Index count;
  AdamCoefficients<T> coefficients;
};

#define STROP_ADAM_KERNELS(X) X(adam_step, AdamStep)

// ---- deferred_adam ---------------------------------------------------------

#define STROP_DEFERRED_ADAM_KERNELS(X)

// ---- embedding -------------------------------------------------------------

#define STROP_EMBEDDING_KERNELS(X)

// ---- embedding_bag ---------------------------------------------------------

#define STROP_EMBEDDING_BAG_KERNELS(X)

// ---- loss ------------------------------------------------------------------

enum class PointwiseLoss {
  kMeanSquaredError,
  kMeanAbsoluteError,
  kBinaryCrossEntropy,  // `pred` holds logits
};

// Elements whose terms are added to one partial sum. Fixed: the order of the
// sum depends on the size alone.
inline constexpr Index kLossChunk = 4096;

// Loss and gradient of N rows of D elements: the mean over a row, then
// sum(weight * row) * scale with scale = 1/N. `grad` gets the gradient of that.
template <typename T>
struct PointwiseLossArgs {
  const T* pred;      // (N, D)
  const T* target;    // (N, D)
  const T* weight;    // (N), or null
  T* grad;            // (N, D)
  T* probabilities;   // (N, D) or null: sigmoid(pred) of the cross-entropy
  double* partials;   // one per kLossChunk elements: sums of weight * term
  Index rows, width;  // N, D
  PointwiseLoss which;
};

#define STROP_LOSS_KERNELS(X) X(pointwise_loss, PointwiseLossArgs)

// ---- matmul ----------------------------------------------------------------

// out = activation(a b + bias). An element is one fmadd per k from zero over a
// block of K; the blocks are added in order, then the bias. The bounds of the
// blocks depend on K alone, so a row has the same bits in any batch, on every
// set with FMA and for any number of threads. (K = 0 gives activation(bias).)
template <typename T>
struct Matmul {
  const T* a;     // (M, K), with transpose_a (K, M)
  const T* b;     // (K, N), with transpose_b (N, K)
  const T* bias;  // (N) or null
  T* out;         // (M, N), overlaps none of the others
  Index m, n, k;
  bool transpose_a, transpose_b;
  Activation activation;  // kLinear, kRelu, kSigmoid or kTanh
};

// The gradients of the above without transposes: with dz = grad * slope,
// grad_a = dz b^T, grad_b = a^T dz, grad_bias = the column sums of dz.
template <typename T>
struct MatmulBackward {
  const T* grad;    // (M, N)
  const T* a;       // (M, K)
  const T* b;       // (K, N); null where grad_a is
  const T* output;  // (M, N), what the forward pass gave; null if linear
  T* grad_a;        // (M, K) or null
  T* grad_b;        // (K, N)
  T* grad_bias;     // (N) or null
  Index m, n, k;
  Activation activation;
};

#define STROP_MATMUL_KERNELS(X) \
  X(matmul, Matmul) X(matmul_backward, MatmulBackward)

// ---- reduction -------------------------------------------------------------

enum class Reduction { kSum, kSumOfSquares, kMax };

// x (outer, extent, inner) -> out (outer, inner), in double. A sum is formed in
// a fixed order; a NaN wins a maximum.
template <typename T>
struct Reduce {
  const T* x;
  double* out;
  Index outer, extent, inner;
  Reduction which;
};

// The place of the greatest element along `extent`; the first of equals, and
// the first NaN before all.
template <typename T>
struct ArgMax {
  const T* x;
  std::int64_t* out;
  Index outer, extent, inner;
};

#define STROP_REDUCTION_KERNELS(X) X(reduce, Reduce) X(argmax, ArgMax)

// ---- sgd -------------------------------------------------------------------

#define STROP_SGD_KERNELS(X)

// ---- softmax ---------------------------------------------------------------

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
  T* grad;           // (N, C)
  T* probabilities;  // (N, C), or null
  double* partials;  // one per kSoftmaxChunk rows
  Index rows, classes;
  double scale;
  double smoothing;
  bool has_ignore;
  Index ignore_class;
};

#define STROP_SOFTMAX_KERNELS(X)       \
  X(softmax_forward, SoftmaxForward)   \
  X(softmax_backward, SoftmaxBackward) \
  X(softmax_cross_entropy, SoftmaxCrossEntropy)

// ---- all -------------------------------------------------------------------

#define STROP_KERNELS(X)         \
  STROP_ACTIVATION_KERNELS(X)    \
  STROP_ADAM_KERNELS(X)          \
  STROP_DEFERRED_ADAM_KERNELS(X) \
  STROP_EMBEDDING_KERNELS(X)     \
  STROP_EMBEDDING_BAG_KERNELS(X) \
  STROP_LOSS_KERNELS(X)          \
  STROP_MATMUL_KERNELS(X)        \
  STROP_REDUCTION_KERNELS(X)     \
  STROP_SGD_KERNELS(X)           \
  STROP_SOFTMAX_KERNELS(X)

#define STROP_DECLARE(name, Args)        \
  void name(const Args<float>&, Stream); \
  void name(const Args<double>&, Stream);

namespace cpu {
STROP_KERNELS(STROP_DECLARE)
}

namespace cuda {
STROP_KERNELS(STROP_DECLARE)
}

#undef STROP_DECLARE

}  // namespace strop
