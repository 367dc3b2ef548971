// Elementwise losses with their gradients in one pass and one launch: 12 bytes
// per element. A block takes a chunk of kLossChunk elements, whose sum it forms
// by thread, warp and block; the last block adds the chunks' sums in double.
// One chunk needs no ticket, which spares a small batch a memset.

#include "cuda/common.cuh"
#include "kernels/loss.h"
#include "math/loss.h"

namespace strop::cuda {
namespace {

// What the sum is divided by.
template <typename T>
__host__ __device__ Index count_of(const PointwiseLossArgs<T>& a) {
  return adds_up(a.which) ? a.rows : a.rows * a.width;
}

// The sums of all threads and blocks, in order, over their count.
template <typename T>
__device__ __forceinline__ void write_mean(const PointwiseLossArgs<T>& a, T sum,
                                           double* room) {
  double* parts = a.partials + kLossHeader;
  const double chunk = over_block(double(sum), room, Plus{});
  if (threadIdx.x == 0) parts[blockIdx.x] = chunk;
  double total = chunk;
  if (gridDim.x > 1) {
    if (!last_block(reinterpret_cast<unsigned*>(a.partials))) return;
    total = add_parts(parts, gridDim.x, room);
  }
  if (threadIdx.x == 0) *a.value = total / double(count_of(a));
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
          loss_term<L>(pred.v[j], target.v[j], a.delta, probability.v[j]);
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
  write_mean(a, sum, room);
}

// A loss chosen when the kernel runs, element by element: a kernel of the other
// kind has 29 KB of machine code, and eight more in two types would be 470 KB
// for each architecture; this one has 23 KB.
template <typename T>
__device__ __forceinline__ LossTerm<T> term_of(const PointwiseLossArgs<T>& a,
                                               T pred, T target) {
  using Loss = PointwiseLoss;
  switch (a.which) {
    case Loss::kMeanAbsolutePercentageError:
      return absolute_percentage_error(pred, target);
    case Loss::kMeanSquaredLogarithmicError:
      return squared_logarithmic_error(pred, target);
    case Loss::kHuber:
      return huber(pred, target, a.delta);
    case Loss::kLogCosh:
      return log_cosh(pred, target);
    case Loss::kPoisson:
      return poisson(pred, target);
    case Loss::kHinge:
      return hinge(pred, target);
    case Loss::kSquaredHinge:
      return squared_hinge(pred, target);
    default:
      return kl_divergence(pred, target);
  }
}

template <typename T>
__global__ void __launch_bounds__(kBlock)
    chosen(const __grid_constant__ PointwiseLossArgs<T> a, T scale) {
  STROP_SHARED(double, room, kBlock / kWarp);
  const Index size = a.rows * a.width;
  const Index begin = Index{blockIdx.x} * kLossChunk;
  const Index end = begin + kLossChunk < size ? begin + kLossChunk : size;
  T sum = 0;
#pragma unroll 1
  for (Index i = begin + threadIdx.x; i < end; i += kBlock) {
    const LossTerm<T> term = term_of(a, a.pred[i], a.target[i]);
    const T weight =
        a.weight == nullptr ? T(1) : a.weight[place_of(i, a.width).row];
    sum += a.weight == nullptr ? term.value : term.value * weight;
    a.grad[i] = term.slope * (a.weight == nullptr ? scale : weight * scale);
  }
  write_mean(a, sum, room);
}

template <typename T>
void run(const PointwiseLossArgs<T>& a, Stream stream) {
  using Loss = PointwiseLoss;
  constexpr const char* op = "pointwise_loss";
  const Index size = a.rows * a.width;
  if (size == 0) return clear(op, a.value, sizeof *a.value, stream);
  const Index blocks = blocks_for(size, kLossChunk);
  if (blocks > 1) clear(op, a.partials, kLossHeader * sizeof(double), stream);
  const T scale = T(1.0 / double(count_of(a)));
  const auto run_as = [&](auto* kernel) {
    launch(op, kernel, blocks, kBlock, stream, a, scale,
           wide(a.pred, a.target, a.grad, a.probabilities));
  };
  switch (a.which) {
    case Loss::kMeanSquaredError:
      return run_as(pointwise<Loss::kMeanSquaredError, T>);
    case Loss::kMeanAbsoluteError:
      return run_as(pointwise<Loss::kMeanAbsoluteError, T>);
    case Loss::kBinaryCrossEntropy:
      return run_as(pointwise<Loss::kBinaryCrossEntropy, T>);
    default:
      return launch(op, chosen<T>, blocks, kBlock, stream, a, scale);
  }
}

}  // namespace

void pointwise_loss(const PointwiseLossArgs<float>& a, Stream s) { run(a, s); }
void pointwise_loss(const PointwiseLossArgs<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
