#pragma once

#include "cuda/common.cuh"
#include "cuda/fused_activation.cuh"
#include "kernels/matmul.h"

// What the files of matmul share: a product and how it is handed on.

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

}  // namespace strop::cuda
