// activation(a b + bias). Few columns and terms, as in the layers of a small
// network: row by row, one launch. Else by tiles or by cuBLASLt.

#include "cuda/matmul_rows.cuh"
#include "kernels/matmul.h"

namespace strop::cuda {
namespace {

template <typename T>
__global__ void __launch_bounds__(kBlock)
    forward_rows(const __grid_constant__ RowProduct<T> p) {
  alignas(16) STROP_SHARED(T, room, kRoom<T>);
  multiply_rows<false>(p, blockIdx.x, room);
}

// Beyond these the rows are worked on faster by tiles, which read shared
// memory half as often per FMA, or K is cut in parts.
constexpr Index kFewColumns = 32;
constexpr Index kFewProducts = Index{1} << 22;
constexpr Index kManyRows = 4096;

template <typename T>
bool by_rows(const Matmul<T>& a) {
  if (a.transpose_a || a.n > kSkinny) return false;
  if (a.n > kFewColumns) {
    return a.k <= kSkinny && a.m * a.n * a.k <= kFewProducts;
  }
  return a.k <= kSkinny ||
         (a.m >= kManyRows &&
          whole_packs<T>(a.k) * whole_packs<T>(a.n) <= kRoom<T>);
}

template <typename T>
Product<T> product_of(const Matmul<T>& a) {
  return {operand_of(a.a, a.m, a.k, !a.transpose_a),
          operand_of(a.b, a.n, a.k, a.transpose_b),
          a.bias,
          a.out,
          a.k,
          a.activation,
          a.precision};
}

template <typename T>
void run(const Matmul<T>& a, Stream stream) {
  if (a.m == 0 || a.n == 0) return;
  if (!by_rows(a)) {
    return multiply("matmul", product_of(a), a.workspace, stream);
  }
  const Index slab = slab_of<T>(a.n, a.k);
  const RowProduct<T> p{a.a,
                        nullptr,
                        a.b,
                        a.transpose_b,
                        a.bias,
                        a.out,
                        a.m,
                        a.n,
                        a.k,
                        Activation::kLinear,
                        a.activation,
                        wide(a.a) && a.k % Pack<T>::kSize == 0,
                        wide(a.out) && a.n % Pack<T>::kSize == 0,
                        slab,
                        blocks_for(a.n, slab)};
  launch("matmul", forward_rows<T>, blocks_of(p), kBlock, stream, p);
}

template <typename T>
Index workspace_of(const Matmul<T>& a) {
  return by_rows(a) ? 0 : product_workspace(product_of(a));
}

}  // namespace

Index matmul_workspace(const Matmul<float>& a) { return workspace_of(a); }
Index matmul_workspace(const Matmul<double>& a) { return workspace_of(a); }
void matmul(const Matmul<float>& a, Stream s) { run(a, s); }
void matmul(const Matmul<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
