// Adam steps. Bound by memory: four reads and three writes, 28 bytes per
// parameter of float32. The arithmetic is the CPU's, without contraction and
// with denormals as zero, so the bits are its own.

#include "cuda/multi_tensor.cuh"
#include "cuda/numbers.cuh"
#include "kernels/adam.h"

namespace strop::cuda {
namespace {

template <typename T>
using Rule = StepRule<T, AdamCoefficients<T>>;

template <typename T>
__device__ __forceinline__ void update(T& param, T& moment1, T& moment2, T& top,
                                       T grad, bool amsgrad, const Rule<T>& r) {
  grad = seen_gradient(r.form, grad, param, r.gradient);
  adam_moments(moment1, moment2, grad, r.c);
  // False for NaN on the right, so that a NaN moment is taken over.
  if (amsgrad) top = top >= moment2 ? top : moment2;
  param = adam_param(param, moment1, amsgrad ? top : moment2, r.c);
}

template <typename T, typename List>
__global__ void __launch_bounds__(kBlock, kStepBlocks<T>)
    step(const __grid_constant__ List list) {
  const int which = tensor_of(list);
  const AdamTensor<T>& t = list.tensors[which];
  const bool is_wide = list.is_wide[which];
  const bool amsgrad = t.max_moment2 != nullptr;
  Rule<T> r = list.rule;
  r.c.decay = take_numbers(r, t.decay, t.weight_decay);
  for_chunk<T>(Index{blockIdx.x} - list.first[which], t.size, [&](Index i) {
    const Pack<T> grad = load_once(t.grad, i, t.size, is_wide);
    Pack<T> param = load(t.param, i, t.size, is_wide);
    Pack<T> moment1 = load(t.moment1, i, t.size, is_wide);
    Pack<T> moment2 = load(t.moment2, i, t.size, is_wide);
    Pack<T> top{};
    if (amsgrad) top = load(t.max_moment2, i, t.size, is_wide);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      update(param.v[k], moment1.v[k], moment2.v[k], top.v[k], grad.v[k],
             amsgrad, r);
    }
    store(t.param, i, t.size, is_wide, param);
    store(t.moment1, i, t.size, is_wide, moment1);
    store(t.moment2, i, t.size, is_wide, moment2);
    if (amsgrad) store(t.max_moment2, i, t.size, is_wide, top);
  });
}

template <typename T>
__global__ void __launch_bounds__(kBlock)
    rows_step(const __grid_constant__ AdamRows<T> a,
              const __grid_constant__ Rule<T> rule, std::uint64_t* fault) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= a.rows.size * a.width) return;
  const Place place = place_of(i, a.width);
  const Index row = id_of(a.rows, place.row);
  if (!row_inside(row, a.table_rows, place.row, fault)) return;
  const Index at = row * a.stride + place.column;
  const bool amsgrad = a.max_moment2 != nullptr;
  T top = amsgrad ? a.max_moment2[at] : T(0);
  T param = a.param[at], moment1 = a.moment1[at], moment2 = a.moment2[at];
  Rule<T> r = rule;
  r.c.decay = take_numbers(r, r.c.decay, a.weight_decay);
  update(param, moment1, moment2, top, a.grad[i], amsgrad, r);
  a.param[at] = param;
  a.moment1[at] = moment1;
  a.moment2[at] = moment2;
  if (amsgrad) a.max_moment2[at] = top;
}

template <typename Args>
auto rule_of(const Args& a, Stream stream) {
  return step_rule("adam_step", a.coefficients, a.gradient, a.numbers, stream);
}

template <typename T>
void run(const AdamStep<T>& a, Stream stream) {
  using List = TensorList<AdamTensor<T>, Rule<T>>;
  for_lists<List, T>(
      a, rule_of(a, stream),
      [](const AdamTensor<T>& t) {
        return wide(t.param, t.moment1, t.moment2, t.max_moment2, t.grad);
      },
      [&](const List& list, Index blocks) {
        launch("adam_step", step<T, List>, blocks, kBlock, stream, list);
      });
}

template <typename T>
void run(const AdamRows<T>& a, Stream stream) {
  launch("adam_step", rows_step<T>, blocks_for(a.rows.size * a.width, kBlock),
         kBlock, stream, a, rule_of(a, stream), stream.fault);
}

}  // namespace

void adam_step(const AdamStep<float>& a, Stream s) { run(a, s); }
void adam_step(const AdamStep<double>& a, Stream s) { run(a, s); }
void adam_rows(const AdamRows<float>& a, Stream s) { run(a, s); }
void adam_rows(const AdamRows<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
