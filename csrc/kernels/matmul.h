#pragma once

#include "kernels/base.h"
#include "math/activation.h"

namespace strop {

// CUDA: kTf32 lets cuBLASLt, where it is, round float32 factors to 11 bits.
enum class Precision { kFloat32, kTf32 };

// out = activation(a b + bias). An element is one fmadd per k from zero over a
// block of K; the blocks are added in order, then the bias. The bounds of the
// blocks depend on K alone. Where N <= 4 and a is not transposed, an element is
// 16 lanes of float, 8 of double, over the whole of K, then a tree. So a row
// has the same bits in any batch, on every set with FMA and for any number of
// threads. K = 0 gives activation(bias).
// CUDA: one fmadd per k from zero, over all of K or over parts of it that are
// added in order; which, M, N and K settle.
template <typename T>
struct Matmul {
  const T* a;     // (M, K), with transpose_a (K, M)
  const T* b;     // (K, N), with transpose_b (N, K)
  const T* bias;  // (N) or null
  T* out;         // (M, N), overlaps none of the others
  Index m, n, k;
  bool transpose_a, transpose_b;
  Activation activation;  // kLinear, kRelu, kSigmoid or kTanh
  Precision precision = Precision::kFloat32;
  double* workspace = nullptr;  // CUDA: cuda::matmul_workspace of them
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
  Precision precision = Precision::kFloat32;
  double* workspace = nullptr;  // CUDA: cuda::matmul_workspace of them
};

#define STROP_MATMUL_KERNELS(X) \
  X(matmul, Matmul) X(matmul_backward, MatmulBackward)

STROP_DECLARE_KERNELS(STROP_MATMUL_KERNELS, STROP_DECLARE)

namespace cuda {
Index matmul_workspace(const Matmul<float>&);
Index matmul_workspace(const Matmul<double>&);
Index matmul_workspace(const MatmulBackward<float>&);
Index matmul_workspace(const MatmulBackward<double>&);
}  // namespace cuda

}  // namespace strop
