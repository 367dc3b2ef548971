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

#define STROP_ACTIVATION_KERNELS(X)

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

#define STROP_LOSS_KERNELS(X)

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

#define STROP_MATMUL_KERNELS(X) X(matmul, Matmul) X(matmul_backward, MatmulBackward)

// ---- reduction -------------------------------------------------------------

#define STROP_REDUCTION_KERNELS(X)

// ---- sgd -------------------------------------------------------------------

#define STROP_SGD_KERNELS(X)

// ---- softmax ---------------------------------------------------------------

#define STROP_SOFTMAX_KERNELS(X)

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
