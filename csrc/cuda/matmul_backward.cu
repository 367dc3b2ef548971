// The gradients of activation(a b + bias). Few columns and terms: one launch
// computes all of them, and a second adds the parts of a batch of more than
// kLeastRows. Else dz comes first, with the sums of its columns, then two
// products.

#include "cuda/matmul_row_gradients.cuh"
#include "kernels/matmul.h"

namespace strop::cuda {
namespace {

constexpr const char* kOp = "matmul_backward";

// Rows whose sum is one part of grad_b or grad_bias: at least kLeastRows, and
// so many that there are kMostParts. M alone settles it.
constexpr Index kLeastRows = 256;
constexpr Index kMostParts = 128;

Index part_rows(Index m) {
  return blocks_for(max(m, Index{1}), kMostParts * kLeastRows) * kLeastRows;
}

// ---- few columns and terms -------------------------------------------------

template <typename T>
__global__ void __launch_bounds__(kBlock)
    backward_rows(const __grid_constant__ RowGradients<T> g) {
  alignas(16) STROP_SHARED(T, room, kRoom<T>);
  if (blockIdx.x < g.blocks_a)
    return multiply_rows<true>(g.a, blockIdx.x, room);
  weights_part(g, blockIdx.x - g.blocks_a, room);
}

// Beyond both tiles are faster, three launches notwithstanding.
constexpr Index kFewWeights = 64 * 64;
constexpr Index kFewProducts = Index{1} << 27;

template <typename T>
bool by_rows(const MatmulBackward<T>& a) {
  return a.n <= kSkinny && a.k <= kSkinny && a.m > 0 && a.n > 0 && a.k > 0 &&
         (a.n * a.k <= kFewWeights || a.m * a.n * a.k <= kFewProducts);
}

template <typename T>
void run_rows(const MatmulBackward<T>& a, Stream stream) {
  constexpr Index kSize = Pack<T>::kSize;
  // A tile has no more packs than a block threads.
  const Index side = 16 * kSize;
  const bool linear = a.activation == Activation::kLinear;
  const Index rows = part_rows(a.m);
  const Index parts = blocks_for(a.m, rows);
  const Index slab = slab_of<T>(a.k, a.n);
  RowGradients<T> g{
      {a.grad, linear ? nullptr : a.output, a.b, true, nullptr, a.grad_a, a.m,
       a.k, a.n, a.activation, Activation::kLinear,
       wide(a.grad, linear ? nullptr : a.output) && a.n % kSize == 0,
       wide(a.grad_a) && a.k % kSize == 0, slab, blocks_for(a.k, slab)},
      0,
      a.a,
      parts == 1 ? nullptr : reinterpret_cast<T*>(a.workspace),
      a.grad_b,
      a.grad_bias,
      rows,
      side,
      blocks_for(a.k, side),
      blocks_for(a.n, side),
      wide(a.a) && a.k % kSize == 0};
  g.blocks_a = a.grad_a == nullptr ? 0 : blocks_of(g.a);
  launch(kOp, backward_rows<T>, g.blocks_a + parts * g.tiles_k * g.tiles_n,
         kBlock, stream, g);
  if (parts == 1) return;
  const Index stride = (a.k + 1) * a.n;
  const Index bias = a.grad_bias == nullptr ? 0 : a.n;
  add_parts(kOp, Sum<T>{g.parts, a.grad_b, a.k * a.n, parts, stride},
            Sum<T>{g.parts + a.k * a.n, a.grad_bias, bias, parts, stride},
            nullptr, a.n, Activation::kLinear, stream);
}

// ---- dz --------------------------------------------------------------------

constexpr Index kColumns = 32;  // of a block
constexpr Index kRowsAtOnce = kBlock / kColumns;

// dz (M, N), where the activation has a slope, and the sums of its columns over
// the rows of each part.
template <typename T>
__global__ void __launch_bounds__(kBlock, 4)
    slopes(const __grid_constant__ MatmulBackward<T> a, T* dz, T* sums,
           Index tiles, Index rows) {
  STROP_SHARED(T, room, kBlock);
  const Place at = place_of(Index{blockIdx.x}, tiles);
  const Index column = at.column * kColumns + threadIdx.x % kColumns;
  const Index end = min(a.m, (at.row + 1) * rows);
  T sum = 0;
  if (column < a.n) {
#pragma unroll 4
    for (Index i = at.row * rows + threadIdx.x / kColumns; i < end;
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

// ---- any size --------------------------------------------------------------

// Where what lies in the workspace, in doubles.
struct Places {
  Index sums, product, size;
};

template <typename T>
Product<T> product_a(const MatmulBackward<T>& a, const T* dz) {
  return {operand_of(dz, a.m, a.n, true),
          operand_of(a.b, a.k, a.n, true),
          nullptr,
          a.grad_a,
          a.n,
          Activation::kLinear,
          a.precision};
}

template <typename T>
Product<T> product_b(const MatmulBackward<T>& a, const T* dz) {
  return {operand_of(a.a, a.k, a.m, false),
          operand_of(dz, a.n, a.m, false),
          nullptr,
          a.grad_b,
          a.m,
          Activation::kLinear,
          a.precision};
}

// Each begins at a multiple of 16 bytes.
constexpr Index even(Index n) { return n + n % 2; }

template <typename T>
Places places_of(const MatmulBackward<T>& a) {
  const bool linear = a.activation == Activation::kLinear;
  const Index dz = linear ? 0 : even(doubles_of<T>(a.m * a.n));
  const Index parts = blocks_for(a.m, part_rows(a.m));
  const Index sums =
      a.grad_bias == nullptr ? 0 : even(doubles_of<T>(parts * a.n));
  const T* upstream = linear ? a.grad : reinterpret_cast<const T*>(a.workspace);
  Index most = product_workspace(product_b(a, upstream));
  if (a.grad_a != nullptr) {
    most = max(most, product_workspace(product_a(a, upstream)));
  }
  return {dz, dz + sums, dz + sums + most};
}

template <typename T>
void run(const MatmulBackward<T>& a, Stream stream) {
  if (by_rows(a)) return run_rows(a, stream);
  const Places places = places_of(a);
  const bool linear = a.activation == Activation::kLinear;
  T* dz = linear ? nullptr : reinterpret_cast<T*>(a.workspace);
  T* sums = reinterpret_cast<T*>(a.workspace + places.sums);
  const Index rows = part_rows(a.m);
  const Index parts = blocks_for(a.m, rows);
  const bool has_bias = a.grad_bias != nullptr;
  if (!linear || has_bias) {
    const Index tiles = blocks_for(a.n, kColumns);
    launch(kOp, slopes<T>, tiles * parts, kBlock, stream, a, dz,
           has_bias ? sums : nullptr, tiles, rows);
  }
  if (has_bias) {
    add_parts(kOp, Sum<T>{sums, a.grad_bias, a.n, parts, a.n}, {}, nullptr, a.n,
              Activation::kLinear, stream);
  }
  const T* upstream = linear ? a.grad : dz;
  double* room = a.workspace + places.product;
  if (a.grad_a != nullptr) multiply(kOp, product_a(a, upstream), room, stream);
  multiply(kOp, product_b(a, upstream), room, stream);
}

template <typename T>
Index workspace_of(const MatmulBackward<T>& a) {
  if (!by_rows(a)) return places_of(a).size;
  const Index parts = blocks_for(a.m, part_rows(a.m));
  return parts == 1 ? 0 : doubles_of<T>(parts * (a.k + 1) * a.n);
}

}  // namespace

Index matmul_workspace(const MatmulBackward<float>& a) {
  return workspace_of(a);
}
Index matmul_workspace(const MatmulBackward<double>& a) {
  return workspace_of(a);
}
void matmul_backward(const MatmulBackward<float>& a, Stream s) { run(a, s); }
void matmul_backward(const MatmulBackward<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
