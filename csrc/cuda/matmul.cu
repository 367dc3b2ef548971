// activation(a b + bias) and its gradients: which kernel computes a product, in
// how many parts, and what is worked out between two products.

#include "cuda/matmul_tile.cuh"

namespace strop::cuda {
namespace {

using LargeFloat = Tile<float, 128, 128, 8, 8>;
using SmallFloat = Tile<float, 64, 64, 16, 4>;
using SmallDouble = Tile<double, 64, 64, 8, 4>;

template <typename S, typename T>
void launch_tiles(const char* op, const Product<T>& p, Stream stream) {
  const Index tiles_m = blocks_for(p.a.extent, S::kM);
  const Index tiles_n = blocks_for(p.b.extent, S::kN);
  launch(op, multiply_tiles<S, T>, tiles_m * tiles_n, kBlock, stream, p,
         tiles_m, tiles_n);
}

// Large tiles read shared memory half as often per FMA; small ones are for
// products whose large tiles would leave multiprocessors idle.
constexpr Index kEnoughTiles = 128;

void multiply(const char* op, const Product<float>& p, Stream stream) {
  const Index tiles = blocks_for(p.a.extent, LargeFloat::kM) *
                      blocks_for(p.b.extent, LargeFloat::kN);
  if (tiles >= kEnoughTiles) return launch_tiles<LargeFloat>(op, p, stream);
  launch_tiles<SmallFloat>(op, p, stream);
}

void multiply(const char* op, const Product<double>& p, Stream stream) {
  launch_tiles<SmallDouble>(op, p, stream);
}

template <typename T>
void run(const Matmul<T>& a, Stream stream) {
  multiply("matmul",
           Product<T>{operand_of(a.a, a.m, a.k, !a.transpose_a),
                      operand_of(a.b, a.n, a.k, a.transpose_b), a.bias, a.out,
                      a.k, a.k, a.activation,
                      wide(a.out, a.bias) && a.n % Pack<T>::kSize == 0},
           stream);
}

// ---- gradients -------------------------------------------------------------

constexpr Index kColumns = 32;  // of a block
constexpr Index kRowsAtOnce = kBlock / kColumns;
constexpr Index kSumRows = 256;  // whose sum is one term of grad_bias

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

// dz (M, N), where the activation has a slope, and the sums of its columns over
// each kSumRows rows.
template <typename T>
__global__ void __launch_bounds__(kBlock, 4)
    slopes(const __grid_constant__ MatmulBackward<T> a, T* dz, T* sums,
           Index tiles) {
  STROP_SHARED(T, room, kBlock);
  const Place at = place_of(Index{blockIdx.x}, tiles);
  const Index column = at.column * kColumns + threadIdx.x % kColumns;
  const Index end = min(a.m, (at.row + 1) * kSumRows);
  T sum = 0;
  if (column < a.n) {
    for (Index i = at.row * kSumRows + threadIdx.x / kColumns; i < end;
         i += kRowsAtOnce) {
      T value = a.grad[i * a.n + column];
      if (dz != nullptr) {
        value = with_slope(a.activation, value, a.output[i * a.n + column]);
        dz[i * a.n + column] = value;
      }
      sum += value;
    }
  }
  if (sums == nullptr) return;
  room[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x >= kColumns || column >= a.n) return;
  for (Index k = 1; k < kRowsAtOnce; ++k) {
    sum += room[k * kColumns + threadIdx.x];
  }
  sums[at.row * a.n + column] = sum;
}

// Adds `count` parts of `size` elements in their order.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    add_in_order(const T* parts, T* out, Index size, Index count) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= size) return;
  T sum = 0;
  for (Index k = 0; k < count; ++k) sum += parts[k * size + i];
  out[i] = sum;
}

template <typename T>
Index doubles_of(Index count) {
  return blocks_for(count, Index{sizeof(double) / sizeof(T)});
}

template <typename T>
void run(const MatmulBackward<T>& a, Stream stream) {
  constexpr const char* op = "matmul_backward";
  const bool linear = a.activation == Activation::kLinear;
  T* dz = linear ? nullptr : reinterpret_cast<T*>(a.workspace);
  const Index used = linear ? 0 : doubles_of<T>(a.m * a.n);
  T* sums = a.grad_bias == nullptr ? nullptr
                                   : reinterpret_cast<T*>(a.workspace + used);
  const Index terms = blocks_for(a.m, kSumRows);
  if (dz != nullptr || sums != nullptr) {
    const Index tiles = blocks_for(a.n, kColumns);
    launch(op, slopes<T>, tiles * terms, kBlock, stream, a, dz, sums, tiles);
  }
  if (a.grad_bias != nullptr) {
    launch(op, add_in_order<T>, blocks_for(a.n, kBlock), kBlock, stream, sums,
           a.grad_bias, a.n, terms);
  }
  const T* upstream = linear ? a.grad : dz;
  if (a.grad_a != nullptr) {
    multiply(op,
             Product<T>{operand_of(upstream, a.m, a.n, true),
                        operand_of(a.b, a.k, a.n, true), nullptr, a.grad_a, a.n,
                        a.n, Activation::kLinear,
                        wide(a.grad_a) && a.k % Pack<T>::kSize == 0},
             stream);
  }
  multiply(op,
           Product<T>{operand_of(a.a, a.k, a.m, false),
                      operand_of(upstream, a.n, a.m, false), nullptr, a.grad_b,
                      a.m, a.m, Activation::kLinear,
                      wide(a.grad_b) && a.n % Pack<T>::kSize == 0},
           stream);
}

template <typename T>
Index workspace_of(const MatmulBackward<T>& a) {
  const bool linear = a.activation == Activation::kLinear;
  return (linear ? 0 : doubles_of<T>(a.m * a.n)) +
         (a.grad_bias == nullptr
              ? 0
              : doubles_of<T>(blocks_for(a.m, kSumRows) * a.n));
}

}  // namespace

Index matmul_workspace(const Matmul<float>&) { return 0; }
Index matmul_workspace(const Matmul<double>&) { return 0; }
Index matmul_workspace(const MatmulBackward<float>& a) {
  return workspace_of(a);
}
Index matmul_workspace(const MatmulBackward<double>& a) {
  return workspace_of(a);
}

void matmul(const Matmul<float>& a, Stream s) { run(a, s); }
void matmul(const Matmul<double>& a, Stream s) { run(a, s); }
void matmul_backward(const MatmulBackward<float>& a, Stream s) { run(a, s); }
void matmul_backward(const MatmulBackward<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
