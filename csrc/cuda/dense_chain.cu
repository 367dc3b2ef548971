// Dense layers, their loss and all gradients in one launch: a training step of
// a narrow model, which would otherwise be eight kernels of a microsecond or
// two. A block has kChainRows rows; what its layers give stays in shared
// memory, and what a row's outputs owe to the loss takes their place on the way
// back. Weights come through the caches, 10 KB or so. Where there are several
// blocks the last one adds their gradients in order.

#include "cuda/dense_chain.h"
#include "cuda/fused_activation.cuh"
#include "kernels/loss.h"
#include "math/loss.h"

namespace strop::cuda {
namespace {

constexpr int kRows = int(kChainRows);

template <typename T>
__device__ __forceinline__ LossTerm<T> term_of(PointwiseLoss which, T pred,
                                               T target) {
  T probability;
  switch (which) {
    case PointwiseLoss::kMeanSquaredError:
      return squared_error(pred, target);
    case PointwiseLoss::kMeanAbsoluteError:
      return absolute_error(pred, target);
    default:
      return binary_cross_entropy(pred, target, probability);
  }
}

// Calls body(row, column) for a matrix of `width` columns, a thread per
// element.
template <typename F>
__device__ __forceinline__ void for_elements(int rows, int width,
                                             const F& body) {
  const unsigned size = unsigned(rows * width);
  for (unsigned e = threadIdx.x; e < size; e += kBlock) {
    const unsigned row = e / unsigned(width);
    body(int(row), int(e - row * unsigned(width)));
  }
}

// The outputs of a layer, behind its inputs.
template <typename T>
__device__ __forceinline__ void forward(const ChainLayer<T>& layer, const T* in,
                                        T* out, int rows) {
  const int inputs = layer.inputs, outputs = layer.outputs;
  for_elements(rows, outputs, [&](int row, int column) {
    T sum = layer.bias == nullptr ? T(0) : layer.bias[column];
#pragma unroll 4
    for (int k = 0; k < inputs; ++k) {
      sum = multiply_add(in[row * inputs + k],
                         layer.kernel[k * outputs + column], sum);
    }
    out[row * outputs + column] = activated(layer.which, sum);
  });
}

// What the block's rows add to the gradients of a layer: to `kernel` and
// `bias`.
template <typename T>
__device__ __forceinline__ void own_gradients(const ChainLayer<T>& layer,
                                              const T* in, const T* slopes,
                                              int rows, T* kernel, T* bias) {
  const int inputs = layer.inputs, outputs = layer.outputs;
  for_elements(inputs, outputs, [&](int k, int column) {
    T sum = 0;
#pragma unroll 4
    for (int row = 0; row < rows; ++row) {
      sum = multiply_add(in[row * inputs + k], slopes[row * outputs + column],
                         sum);
    }
    kernel[k * outputs + column] = sum;
  });
  if (layer.bias == nullptr) return;
  for (int column = int(threadIdx.x); column < outputs; column += int(kBlock)) {
    T sum = 0;
    for (int row = 0; row < rows; ++row) sum += slopes[row * outputs + column];
    bias[column] = sum;
  }
}

// What a layer's inputs owe to the loss, one of them.
template <typename T>
__device__ __forceinline__ T upstream(const ChainLayer<T>& layer,
                                      const T* slopes, int row, int k) {
  const int outputs = layer.outputs;
  T sum = 0;
#pragma unroll 4
  for (int column = 0; column < outputs; ++column) {
    sum = multiply_add(slopes[row * outputs + column],
                       layer.kernel[k * outputs + column], sum);
  }
  return sum;
}

// Where a block leaves what is to be added: sums of the loss, one per block,
// then its gradients, layer by layer, `size` of them.
template <typename T>
struct Parts {
  double* losses;
  T* gradients;
  Index size;
};

template <typename T>
__device__ __forceinline__ void add_blocks(const DenseChain<T>& a,
                                           const Parts<T>& parts) {
  const T* at = parts.gradients;
  const auto add = [&](T* out, int size) {
    for (int e = int(threadIdx.x); e < size; e += int(kBlock)) {
      T sum = 0;
#pragma unroll 8
      for (unsigned b = 0; b < gridDim.x; ++b) {
        sum += __ldcg(at + b * parts.size + e);
      }
      out[e] = sum;
    }
    at += size;
  };
  for (int l = 0; l < a.count; ++l) {
    const ChainLayer<T>& layer = a.layers[l];
    add(layer.grad_kernel, layer.inputs * layer.outputs);
    if (layer.bias != nullptr) add(layer.grad_bias, layer.outputs);
  }
}

template <typename T>
__global__ void __launch_bounds__(kBlock)
    chain(const __grid_constant__ DenseChain<T> a, Parts<T> parts, T scale) {
  STROP_SHARED(T, values, kRows * kChainWidths<T>);
  STROP_SHARED(double, room, kBlock / kWarp);
  const Index begin = Index{blockIdx.x} * kRows;
  const int rows = int(min(Index{kRows}, a.rows - begin));
  const bool alone = gridDim.x == 1;

  const int first = a.layers[0].inputs;
  for_elements(rows, first, [&](int row, int k) {
    values[row * first + k] = a.x[(begin + row) * first + k];
  });
  T* in = values;
  for (int l = 0; l < a.count; ++l) {
    __syncthreads();
    T* out = in + rows * a.layers[l].inputs;
    forward(a.layers[l], in, out, rows);
    in = out;
  }
  __syncthreads();

  // `in` has the last outputs, of which each thread has its own.
  const ChainLayer<T>& last = a.layers[a.count - 1];
  T sum = 0;
  for_elements(rows, last.outputs, [&](int row, int column) {
    const int e = row * last.outputs + column;
    const Index at = begin * last.outputs + e;
    const T y = in[e];
    a.output[at] = y;
    const LossTerm<T> term = term_of(a.loss, y, a.target[at]);
    const T share = a.weight == nullptr ? T(1) : a.weight[begin + row];
    sum += term.value * share;
    in[e] = with_slope(last.which, term.slope * (share * scale), y);
  });
  const double loss = over_block(double(sum), room, Plus{});

  T* at = nullptr;  // the end of this block's
  if (!alone) at = parts.gradients + (Index{blockIdx.x} + 1) * parts.size;
  for (int l = a.count - 1; l >= 0; --l) {
    const ChainLayer<T>& layer = a.layers[l];
    const T* slopes = in;
    in -= rows * layer.inputs;
    T *kernel = layer.grad_kernel, *bias = layer.grad_bias;
    if (!alone) {
      if (layer.bias != nullptr) bias = at -= layer.outputs;
      kernel = at -= layer.inputs * layer.outputs;
    }
    own_gradients(layer, in, slopes, rows, kernel, bias);
    __syncthreads();
    if (l == 0) {
      if (a.grad_x == nullptr) break;
      for_elements(rows, first, [&](int row, int k) {
        a.grad_x[(begin + row) * first + k] = upstream(layer, slopes, row, k);
      });
      break;
    }
    for_elements(rows, layer.inputs, [&](int row, int k) {
      T& y = in[row * layer.inputs + k];
      y = with_slope(a.layers[l - 1].which, upstream(layer, slopes, row, k), y);
    });
    __syncthreads();
  }

  const double count = double(a.rows * last.outputs);
  if (alone) {
    if (threadIdx.x == 0) *a.value = loss / count;
    return;
  }
  if (threadIdx.x == 0) parts.losses[blockIdx.x] = loss;
  if (!last_block(reinterpret_cast<unsigned*>(a.workspace))) return;
  add_blocks(a, parts);
  const double total = add_parts(parts.losses, gridDim.x, room);
  if (threadIdx.x == 0) *a.value = total / count;
}

template <typename T>
Index gradients_of(const DenseChain<T>& a) {
  Index size = 0;
  for (int l = 0; l < a.count; ++l) {
    const ChainLayer<T>& layer = a.layers[l];
    size += Index{layer.inputs} * layer.outputs +
            (layer.bias == nullptr ? 0 : layer.outputs);
  }
  return size;
}

template <typename T>
Index workspace_of(const DenseChain<T>& a) {
  const Index blocks = blocks_for(a.rows, kChainRows);
  if (blocks < 2) return 0;
  return kLossHeader + blocks +
         blocks_for(blocks * gradients_of(a),
                    Index{sizeof(double) / sizeof(T)});
}

template <typename T>
void run(const DenseChain<T>& a, Stream stream) {
  constexpr const char* op = "dense_chain";
  const Index blocks = blocks_for(a.rows, kChainRows);
  Parts<T> parts{};
  if (blocks > 1) {
    clear(op, a.workspace, kLossHeader * sizeof(double), stream);
    parts.losses = a.workspace + kLossHeader;
    parts.gradients = reinterpret_cast<T*>(parts.losses + blocks);
    parts.size = gradients_of(a);
  }
  const Index terms = a.rows * a.layers[a.count - 1].outputs;
  launch(op, chain<T>, blocks, kBlock, stream, a, parts,
         T(1.0 / double(terms)));
}

}  // namespace

Index chain_workspace(const DenseChain<float>& a) { return workspace_of(a); }
Index chain_workspace(const DenseChain<double>& a) { return workspace_of(a); }

void dense_chain(const DenseChain<float>& a, Stream s) { run(a, s); }
void dense_chain(const DenseChain<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
