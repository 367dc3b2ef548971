#pragma once

#include "kernels/loss.h"
#include "math/activation.h"

// On CUDA alone: on the host one layer after the other is as fast.

namespace strop::cuda {

// Dense layers behind one another and the loss of the last: outputs, the loss
// and all gradients by one kernel, for batches whose layers alone would each be
// over sooner than a kernel starts.
template <typename T>
struct ChainLayer {
  const T* kernel;  // (inputs, outputs)
  const T* bias;    // (outputs), or null
  T* grad_kernel;
  T* grad_bias;
  int inputs, outputs;
  Activation which;  // linear, relu, sigmoid or tanh
};

inline constexpr int kChainLayers = 4;
inline constexpr Index kChainRows = 32;    // of a block, whose sum is one term
inline constexpr Index kChainMost = 1024;  // rows of a batch

// Inputs and outputs of all layers together that a block has room for.
template <typename T>
inline constexpr int kChainWidths = int(1024 / sizeof(T));

template <typename T>
struct DenseChain {
  ChainLayer<T> layers[kChainLayers];
  int count;
  PointwiseLoss loss;
  Index rows;       // N
  const T* x;       // (N, inputs of the first layer)
  const T* target;  // (N, outputs of the last layer), as is `output`
  const T* weight;  // (N), or null
  T* output;
  T* grad_x;  // like x, or null
  double* value;
  double* workspace;  // chain_workspace(a)
};

Index chain_workspace(const DenseChain<float>&);  // doubles
Index chain_workspace(const DenseChain<double>&);
void dense_chain(const DenseChain<float>&, Stream);
void dense_chain(const DenseChain<double>&, Stream);

}  // namespace strop::cuda
