// Elementwise losses with their gradients in one pass and one launch: 12 bytes
// per element. A block takes a chunk of kLossChunk elements, whose sum it forms
// by thread, warp and block; the last block adds the chunks' sums in double.
// One chunk needs no ticket, which spares a small batch a memset.

#include "cuda/common.cuh"
#include "kernels/loss.h"
#include "math/loss.h"

namespace strop::cuda {
namespace {

template <PointwiseLoss L, typename T>
__device__ __forceinline__ LossTerm<T> term_of(T pred, T target,
                                               T& probability) {
  if constexpr (L == PointwiseLoss::kMeanSquaredError) {
    return squared_error(pred, target);
  } else if constexpr (L == PointwiseLoss::kMeanAbsoluteError) {
    return absolute_error(pred, target);
  } else {
    return binary_cross_entropy(pred, target, probability);
  }
}

template <PointwiseLoss L, typename T>
__global__ void __launch_bounds__(kBlock)
    pointwise(const __grid_constant__ PointwiseLossArgs<T> a, T scale,
              bool is_wide) {
  constexpr Index kSize = Pack<T>::kSize;
  constexpr bool kLogits = L == PointwiseLoss::kBinaryCrossEntropy;
  STROP_SHARED(double, room, kBlock / kWarp);
  const Index size = a.rows * a.width;
  const Index begin = Index{blockIdx.x} * kLossChunk;
  T sum = 0;
#pragma unroll 2
  for (Index k = 0; k < kLossChunk / (kBlock * kSize); ++k) {
    const Index i = begin + (k * kBlock + threadIdx.x) * kSize;
    if (i >= size) break;
    const Pack<T> pred = load_once(a.pred, i, size, is_wide);
    const Pack<T> target = load_once(a.target, i, size, is_wide);
    Pack<T> grad{}, probability{};
#pragma unroll
    for (int j = 0; j < kSize; ++j) {
      if (i + j >= size) break;
      const LossTerm<T> term =
          term_of<L>(pred.v[j], target.v[j], probability.v[j]);
      const T weight =
          a.weight == nullptr ? T(1) : a.weight[place_of(i + j, a.width).row];
      sum += a.weight == nullptr ? term.value : term.value * weight;
      grad.v[j] = term.slope * (a.weight == nullptr ? scale : weight * scale);
    }
    store(a.grad, i, size, is_wide, grad);
    if (kLogits && a.probabilities != nullptr) {
      store(a.probabilities, i, size, is_wide, probability);
    }
  }
  double* parts = a.partials + kLossHeader;
  const double chunk = over_block(double(sum), room, Plus{});
  if (threadIdx.x == 0) parts[blockIdx.x] = chunk;
  double total = chunk;
  if (gridDim.x > 1) {
    if (!last_block(reinterpret_cast<unsigned*>(a.partials))) return;
    total = add_parts(parts, gridDim.x, room);
  }
  if (threadIdx.x == 0) *a.value = total / double(size);
}

template <PointwiseLoss L, typename T>
void run_as(const PointwiseLossArgs<T>& a, const char* op, Stream stream) {
  const Index size = a.rows * a.width;
  if (size == 0) return clear(op, a.value, sizeof *a.value, stream);
  const Index blocks = blocks_for(size, kLossChunk);
  if (blocks > 1) clear(op, a.partials, kLossHeader * sizeof(double), stream);
  launch(op, pointwise<L, T>, blocks, kBlock, stream, a, T(1.0 / double(size)),
         wide(a.pred, a.target, a.grad, a.probabilities));
}

template <typename T>
void run(const PointwiseLossArgs<T>& a, Stream s) {
  switch (a.which) {
    case PointwiseLoss::kMeanSquaredError:
      return run_as<PointwiseLoss::kMeanSquaredError>(a, "mean_squared_error",
                                                      s);
    case PointwiseLoss::kMeanAbsoluteError:
      return run_as<PointwiseLoss::kMeanAbsoluteError>(a, "mean_absolute_error",
                                                       s);
    case PointwiseLoss::kBinaryCrossEntropy:
      return run_as<PointwiseLoss::kBinaryCrossEntropy>(
          a, "binary_cross_entropy", s);
  }
}

}  // namespace

void pointwise_loss(const PointwiseLossArgs<float>& a, Stream s) { run(a, s); }
void pointwise_loss(const PointwiseLossArgs<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
