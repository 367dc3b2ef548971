#pragma once

#include "cuda/common.cuh"

// What the files of matmul share: a product, how it is handed on, and the
// arithmetic before and behind it.

namespace strop::cuda {

// Element (i, k) of the left side, or (k, j) of the right one.
template <typename T>
struct Operand {
  const T* x;
  Index extent;  // how many i, or j
  Index stride;  // between rows as they lie
  bool k_runs;   // terms lie side by side; else i, or j, does
  bool is_wide;  // rows start at multiples of 16 bytes
};

template <typename T>
Operand<T> operand_of(const T* x, Index extent, Index terms, bool k_runs) {
  const Index stride = k_runs ? terms : extent;
  return {x, extent, stride, k_runs, wide(x) && stride % Pack<T>::kSize == 0};
}

// out = activation(a b + bias).
template <typename T>
struct Product {
  Operand<T> a, b;
  const T* bias;  // or null
  T* out;         // (M, N)
  Index k;
  Activation activation;
  Precision precision;
};

// By tiles, or by cuBLASLt. `workspace` is of product_workspace doubles.
void multiply(const char* op, const Product<float>& p, double* workspace,
              Stream stream);
void multiply(const char* op, const Product<double>& p, double* workspace,
              Stream stream);
Index product_workspace(const Product<float>& p);
Index product_workspace(const Product<double>& p);

// `count` arrays of `size` elements one after the other: their sum, in order.
template <typename T>
struct Sum {
  const T* parts;
  T* out;
  Index size, count, stride;
};

// Two sums by one launch; to the first come bias (N) and activation.
void add_parts(const char* op, const Sum<float>& first,
               const Sum<float>& second, const float* bias, Index n,
               Activation activation, Stream stream);
void add_parts(const char* op, const Sum<double>& first,
               const Sum<double>& second, const double* bias, Index n,
               Activation activation, Stream stream);

template <typename T>
Index doubles_of(Index count) {
  return blocks_for(count, Index{sizeof(double) / sizeof(T)});
}

// relu lets NaN through.
template <typename T>
__device__ __forceinline__ T rectified(T x) {
  return x <= T(0) ? T(0) : x;
}

template <typename T>
__device__ __forceinline__ T activated(Activation which, T x) {
  switch (which) {
    case Activation::kRelu:
      return rectified(x);
    case Activation::kSigmoid:
      return activate<Activation::kSigmoid>(x, {});
    case Activation::kTanh:
      return activate<Activation::kTanh>(x, {});
    default:
      return x;
  }
}

// The gradient before the activation whose value was y.
template <typename T>
__device__ __forceinline__ T with_slope(Activation which, T grad, T y) {
  switch (which) {
    case Activation::kRelu:
      return y <= T(0) ? T(0) : grad;  // a NaN lets the gradient through
    case Activation::kSigmoid:
      return grad * slope<Activation::kSigmoid>(y, y, {});
    case Activation::kTanh:
      return grad * slope<Activation::kTanh>(y, y, {});
    default:
      return grad;
  }
}

}  // namespace strop::cuda
