// Which kernel computes a product, and in how many parts.

#include "cuda/cublaslt.h"
#include "cuda/matmul_tile.cuh"

namespace strop::cuda {
namespace {

using LargeFloat = Tile<float, 128, 128, 8, 8>;
using SmallFloat = Tile<float, 64, 64, 16, 4>;
using SmallDouble = Tile<double, 64, 64, 8, 4>;

// As many as fill the multiprocessors of a large device, 132 of an H100. A
// constant, as everything that a sum depends on.
constexpr Index kEnoughTiles = 128;

template <typename S, typename T>
Index tiles_of(const Product<T>& p) {
  return blocks_for(p.a.extent, S::kM) * blocks_for(p.b.extent, S::kN);
}

// ---- parts of K ------------------------------------------------------------

constexpr Index kLeastPart = 128;  // terms: some 2 us of a block
constexpr Index kPartStep = 64;    // parts begin at multiples

// Terms of a part. Where small tiles would leave most multiprocessors idle, K
// is cut: grad_b of a long batch is a small matrix of long sums.
template <typename S, typename T>
Index part_of(const Product<T>& p) {
  const Index tiles = tiles_of<S>(p);
  if (tiles == 0) return p.k;
  const Index parts = min(kEnoughTiles / tiles, p.k / kLeastPart);
  if (parts <= 1) return p.k;
  return blocks_for(blocks_for(p.k, parts), kPartStep) * kPartStep;
}

Index part_of(const Product<float>& p) { return part_of<SmallFloat>(p); }
Index part_of(const Product<double>& p) { return part_of<SmallDouble>(p); }

template <typename T>
Index parts_workspace(const Product<T>& p) {
  const Index part = part_of(p);
  if (part == p.k) return 0;
  return doubles_of<T>(blocks_for(p.k, part) * p.a.extent * p.b.extent);
}

// ---- tiles -----------------------------------------------------------------

template <typename S, typename T>
void launch_tiles(const char* op, const TiledProduct<T>& p, Stream stream) {
  const Index tiles_m = blocks_for(p.a.extent, S::kM);
  const Index tiles_n = blocks_for(p.b.extent, S::kN);
  const Index parts = max(Index{1}, blocks_for(p.k, p.part));
  launch(op, multiply_tiles<S, T>, tiles_m * tiles_n * parts, kBlock, stream, p,
         tiles_m, tiles_n);
}

template <typename S, typename T>
void multiply_as(const char* op, const Product<T>& p, double* workspace,
                 Stream stream) {
  const Index n = p.b.extent;
  const Index size = p.a.extent * n;
  const Index part = part_of(p);
  const bool whole = part == p.k;
  T* out = whole ? p.out : reinterpret_cast<T*>(workspace);
  const T* bias = whole ? p.bias : nullptr;
  launch_tiles<S>(op,
                  TiledProduct<T>{p.a, p.b, bias, out, p.k, max(part, Index{1}),
                                  whole ? p.activation : Activation::kLinear,
                                  wide(out, bias) && n % Pack<T>::kSize == 0},
                  stream);
  if (whole) return;
  add_parts(op, Sum<T>{out, p.out, size, blocks_for(p.k, part), size}, {},
            p.bias, n, p.activation, stream);
}

// ---- sums of parts ---------------------------------------------------------

template <typename T>
__global__ void __launch_bounds__(kBlock)
    add_in_order(const __grid_constant__ Sum<T> first,
                 const __grid_constant__ Sum<T> second, const T* bias, Index n,
                 Activation activation) {
  Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  const bool is_first = i < first.size;
  const Sum<T>& s = is_first ? first : second;
  if (!is_first) i -= first.size;
  if (i >= s.size) return;
  T sum = 0;
#pragma unroll 4
  for (Index k = 0; k < s.count; ++k) sum += s.parts[k * s.stride + i];
  if (is_first) {
    if (bias != nullptr) sum += bias[place_of(i, n).column];
    sum = activated(activation, sum);
  }
  s.out[i] = sum;
}

template <typename T>
void add_as(const char* op, const Sum<T>& first, const Sum<T>& second,
            const T* bias, Index n, Activation activation, Stream stream) {
  launch(op, add_in_order<T>, blocks_for(first.size + second.size, kBlock),
         kBlock, stream, first, second, bias, n, activation);
}

}  // namespace

void add_parts(const char* op, const Sum<float>& first,
               const Sum<float>& second, const float* bias, Index n,
               Activation activation, Stream s) {
  add_as(op, first, second, bias, n, activation, s);
}
void add_parts(const char* op, const Sum<double>& first,
               const Sum<double>& second, const double* bias, Index n,
               Activation activation, Stream s) {
  add_as(op, first, second, bias, n, activation, s);
}

Index product_workspace(const Product<float>& p) {
  const Index own = parts_workspace(p);
  return library_takes(p) ? max(own, kLibraryWorkspace) : own;
}
Index product_workspace(const Product<double>& p) { return parts_workspace(p); }

void multiply(const char* op, const Product<float>& p, double* workspace,
              Stream stream) {
  if (library_takes(p) && library_multiply(op, p, workspace, stream)) return;
  // Large tiles read shared memory half as often per FMA.
  if (tiles_of<LargeFloat>(p) >= kEnoughTiles) {
    return multiply_as<LargeFloat>(op, p, workspace, stream);
  }
  multiply_as<SmallFloat>(op, p, workspace, stream);
}

void multiply(const char* op, const Product<double>& p, double* workspace,
              Stream stream) {
  multiply_as<SmallDouble>(op, p, workspace, stream);
}

}  // namespace strop::cuda
