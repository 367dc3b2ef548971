#pragma once

#include "cpu/simd.h"
#include "kernels/matmul.h"

// What every way of multiplying takes, and the end of each: bias, activation.

namespace strop::cpu::STROP_ISA {
namespace {

// Element (i, j) lies at data[i * row + j * col]; one of the two is 1.
template <typename T>
struct Operand {
  const T* data;
  Index row;
  Index col;
};

template <typename T>
struct Product {
  Operand<T> a;
  Operand<T> b;
  T* c;  // row-major
  Index c_stride;
  const T* bias;  // null: none
  Index bias_stride;
  Index m, n, k;
  Activation activation;
};

struct Range {
  Index begin;
  Index end;
};

STROP_HD Index least(Index a, Index b) { return a < b ? a : b; }
STROP_HD Index most(Index a, Index b) { return a > b ? a : b; }
STROP_HD Index round_up(Index n, Index unit) {
  return (n + unit - 1) / unit * unit;
}

// The length of a block of K. An update of out per block costs as much as a few
// fmadds, so blocks are long; a panel of B must stay in L2 for it. The bounds
// are part of the contract: they depend on K alone.
template <typename T>
STROP_HD Index block_of(Index k) {
  constexpr Index kLongest = sizeof(T) == 4 ? 384 : 256;
  if (k <= kLongest) return k;
  const Index blocks = (k + kLongest - 1) / kLongest;
  return round_up((k + blocks - 1) / blocks, 8);
}

template <Activation A, typename T>
void activate_rows(T* c, Index stride, Index rows, Index columns) {
  for (Index i = 0; i < rows; ++i) {
    T* __restrict row = c + i * stride;
    for (Index j = 0; j < columns; ++j) row[j] = activate<A>(row[j], {});
  }
}

// The activations that the register tile leaves to a pass over its columns
// while they are in cache.
template <typename T>
STROP_HD void activate_rows(Activation activation, T* c, Index stride,
                            Index rows, Index columns) {
  if (activation == Activation::kSigmoid) {
    activate_rows<Activation::kSigmoid>(c, stride, rows, columns);
  } else if (activation == Activation::kTanh) {
    activate_rows<Activation::kTanh>(c, stride, rows, columns);
  }
}

// Bias and activation of one finished row of sums.
template <typename T>
void finish_row(const Product<T>& p, T* row, Index first, Index columns) {
  if (p.bias != nullptr && p.bias_stride == 0) {
    const T bias = *p.bias;
    for (Index j = 0; j < columns; ++j) row[j] += bias;
  } else if (p.bias != nullptr) {
    const T* bias = p.bias + first;
    for (Index j = 0; j < columns; ++j) row[j] += bias[j];
  }
  if (p.activation == Activation::kRelu) {
    // Written so that a NaN stays.
    for (Index j = 0; j < columns; ++j) row[j] = row[j] < 0 ? T(0) : row[j];
  } else {
    activate_rows(p.activation, row, 0, 1, columns);
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
