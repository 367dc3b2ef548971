// LAMB steps. Bound by memory: 24 bytes of float per element for the moments
// and the norms, 16 for the parameter; a model of up to 3 million parameters is
// in a cache of 50 MB when the second kernel comes. Sums are formed as on the
// CPU, element i of a block in lane i mod 16, so the bits are its own.

#include "cuda/multi_tensor.cuh"
#include "cuda/numbers.cuh"
#include "kernels/lamb.h"

namespace strop::cuda {
namespace {

constexpr unsigned kLanes = 16;
constexpr Index kRow = kLambBlock + kLanes;  // both rows in banks of their own

template <typename T>
struct Rule {
  StepRule<T, Lamb<T>> step;
  double learning_rate;  // but for `step.made`
  double* sums;          // 2 for each block of the list
  double* steps;         // one for each tensor of the list
};

template <typename T>
using List = TensorList<LambTensor<T>, Rule<T>>;

// The squares of a lane's numbers, added in S.
template <typename S, typename T>
__device__ __forceinline__ double squares(const T* x, Index n) {
  S sum = 0;
#pragma unroll 8
  for (Index i = 0; i < n; i += kLanes) sum += S(x[i]) * S(x[i]);
  double all = double(sum);
#pragma unroll
  for (unsigned half = kLanes / 2; half > 0; half /= 2) {
    all += __shfl_xor_sync(kAll, all, half);
  }
  return all;
}

// A block of threads takes one of kLambBlock elements: the moments, and the
// sums of squares of what decay leaves and of the direction.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    moments(const __grid_constant__ List<T> list) {
  constexpr Index kSize = Pack<T>::kSize;
  STROP_SHARED(Pack<T>, room, 2 * kRow / kSize);
  const int which = tensor_of(list);
  const LambTensor<T>& t = list.tensors[which];
  const bool is_wide = list.is_wide[which];
  StepRule<T, Lamb<T>> r = list.rule.step;
  const T lost = take_numbers(r, t.lost, t.weight_decay);
  const Index begin = (Index{blockIdx.x} - list.first[which]) * kLambBlock;
#pragma unroll
  for (Index k = 0; k < kLambBlock / kSize / kBlock; ++k) {
    const Index place = k * kBlock + threadIdx.x;
    const Index i = begin + place * kSize;
    Pack<T> kept{}, direction{};
    if (i < t.size) {
      const Pack<T> grad = load_once(t.grad, i, t.size, is_wide);
      const Pack<T> param = load(t.param, i, t.size, is_wide);
      Pack<T> moment1 = load(t.moment1, i, t.size, is_wide);
      Pack<T> moment2 = load(t.moment2, i, t.size, is_wide);
#pragma unroll
      for (int j = 0; j < kSize; ++j) {
        const T p = param.v[j];
        const T seen = seen_gradient(r.form, grad.v[j], p, r.gradient);
        lamb_moments(moment1.v[j], moment2.v[j], seen, r.c);
        const T left = p - lost * p;
        const T d =
            lamb_direction(left, moment1.v[j], moment2.v[j], t.inside, r.c);
        kept.v[j] = i + j < t.size ? left : T(0);
        direction.v[j] = i + j < t.size ? d : T(0);
      }
      put(t.moment1, i, t.size, is_wide, moment1);
      put(t.moment2, i, t.size, is_wide, moment2);
    }
    room[place] = kept;
    room[kRow / kSize + place] = direction;
  }
  __syncthreads();
  if (threadIdx.x >= 2 * kLanes) return;
  const unsigned row = threadIdx.x / kLanes;
  const T* own = room->v + row * kRow + threadIdx.x % kLanes;
  const Index n = min(t.size - begin, kLambBlock);
  double sum = squares<T>(own, n);
  const double other = __shfl_xor_sync(kAll, sum, kLanes);
  if (sizeof(T) == 4 && !(lamb_held(sum) && lamb_held(other))) {
    sum = squares<double>(own, n);
  }
  if (threadIdx.x % kLanes == 0) {
    list.rule.sums[2 * Index{blockIdx.x} + row] = sum;
  }
}

// A block for each tensor.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    ratios(const __grid_constant__ List<T> list) {
  STROP_SHARED(double, room, kBlock / kWarp);
  const Index blocks = blocks_for(list.tensors[blockIdx.x].size, kLambBlock);
  const double* sums = list.rule.sums + 2 * Index{list.first[blockIdx.x]};
  double kept = 0, direction = 0;
#pragma unroll 4
  for (Index b = threadIdx.x; b < blocks; b += kBlock) {
    kept += sums[2 * b];
    direction += sums[2 * b + 1];
  }
  kept = over_block(kept, room, Plus{});
  direction = over_block(direction, room, Plus{});
  if (threadIdx.x == 0) {
    const auto* made = list.rule.step.made;
    list.rule.steps[blockIdx.x] = lamb_step_size(
        kept, direction,
        made == nullptr ? list.rule.learning_rate : made->learning_rate);
  }
}

template <typename T>
__global__ void __launch_bounds__(kBlock)
    apply(const __grid_constant__ List<T> list) {
  constexpr Index kSize = Pack<T>::kSize;
  const int which = tensor_of(list);
  const LambTensor<T>& t = list.tensors[which];
  const bool is_wide = list.is_wide[which];
  StepRule<T, Lamb<T>> r = list.rule.step;
  const T lost = take_numbers(r, t.lost, t.weight_decay);
  const T step = T(list.rule.steps[which]);
  const Index begin = (Index{blockIdx.x} - list.first[which]) * kLambBlock;
#pragma unroll
  for (Index k = 0; k < kLambBlock / kSize / kBlock; ++k) {
    const Index i = begin + (k * kBlock + threadIdx.x) * kSize;
    if (i >= t.size) break;
    Pack<T> param = load(t.param, i, t.size, is_wide);
    const Pack<T> moment1 = load(t.moment1, i, t.size, is_wide);
    const Pack<T> moment2 = load(t.moment2, i, t.size, is_wide);
#pragma unroll
    for (int j = 0; j < kSize; ++j) {
      const T kept = param.v[j] - lost * param.v[j];
      param.v[j] = kept - step * lamb_direction(kept, moment1.v[j],
                                                moment2.v[j], t.inside, r.c);
    }
    put(t.param, i, t.size, is_wide, param);
  }
}

template <typename T>
void run(const LambStep<T>& a, Stream s) {
  constexpr const char* op = "lamb_step";
  for_lists_of<List<T>>(
      a,
      {step_rule(op, a.coefficients, a.gradient, a.numbers, s), a.learning_rate,
       a.sums, a.steps},
      [](const LambTensor<T>& t) {
        return wide(t.param, t.grad, t.moment1, t.moment2);
      },
      [](const LambTensor<T>& t) { return blocks_for(t.size, kLambBlock); },
      [&](const List<T>& list, Index blocks) {
        launch(op, moments<T>, blocks, kBlock, s, list);
        launch(op, ratios<T>, list.count, kBlock, s, list);
        launch(op, apply<T>, blocks, kBlock, s, list);
      });
}

}  // namespace

void lamb_step(const LambStep<float>& a, Stream s) { run(a, s); }
void lamb_step(const LambStep<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
