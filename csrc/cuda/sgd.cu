// Gradient descent. Bound by memory: 12 bytes per parameter of float32, 20 with
// momentum. The bits are the CPU's, as in adam.cu.

#include "cuda/multi_tensor.cuh"
#include "cuda/numbers.cuh"
#include "kernels/sgd.h"

namespace strop::cuda {
namespace {

template <typename T>
using Rule = StepRule<T, SgdCoefficients<T>>;

template <typename T>
__device__ __forceinline__ void update(T& param, T& velocity, T grad,
                                       bool moving, const Rule<T>& r) {
  grad = seen_gradient(r.form, grad, param, r.gradient);
  if (moving) {
    sgd_momentum(param, velocity, grad, r.c);
  } else {
    sgd_plain(param, grad, r.c);
  }
}

template <typename T, typename List>
__global__ void __launch_bounds__(kBlock, kStepBlocks<T>)
    step(const __grid_constant__ List list) {
  const int which = tensor_of(list);
  const SgdTensor<T>& t = list.tensors[which];
  const bool is_wide = list.is_wide[which];
  const bool moving = t.velocity != nullptr;
  Rule<T> r = list.rule;
  r.c.decay = take_numbers(r, t.decay, t.weight_decay);
  for_chunk<T>(Index{blockIdx.x} - list.first[which], t.size, [&](Index i) {
    const Pack<T> grad = load_once(t.grad, i, t.size, is_wide);
    Pack<T> param = load(t.param, i, t.size, is_wide);
    Pack<T> velocity{};
    if (moving) velocity = load(t.velocity, i, t.size, is_wide);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      update(param.v[k], velocity.v[k], grad.v[k], moving, r);
    }
    store(t.param, i, t.size, is_wide, param);
    if (moving) store(t.velocity, i, t.size, is_wide, velocity);
  });
}

template <typename T>
__global__ void __launch_bounds__(kBlock)
    rows_step(const __grid_constant__ SgdRows<T> a,
              const __grid_constant__ Rule<T> rule, std::uint64_t* fault) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= a.rows.size * a.width) return;
  const Place place = place_of(i, a.width);
  const Index row = id_of(a.rows, place.row);
  if (!row_inside(row, a.table_rows, place.row, fault)) return;
  const Index at = row * a.stride + place.column;
  const bool moving = a.velocity != nullptr;
  T param = a.param[at], velocity = moving ? a.velocity[at] : T(0);
  Rule<T> r = rule;
  r.c.decay = take_numbers(r, r.c.decay, a.weight_decay);
  update(param, velocity, a.grad[i], moving, r);
  a.param[at] = param;
  if (moving) a.velocity[at] = velocity;
}

template <typename Args>
auto rule_of(const Args& a, Stream stream) {
  return step_rule("sgd_step", a.coefficients, a.gradient, a.numbers, stream);
}

template <typename T>
void run(const SgdStep<T>& a, Stream stream) {
  using List = TensorList<SgdTensor<T>, Rule<T>>;
  for_lists<List, T>(
      a, rule_of(a, stream),
      [](const SgdTensor<T>& t) { return wide(t.param, t.velocity, t.grad); },
      [&](const List& list, Index blocks) {
        launch("sgd_step", step<T, List>, blocks, kBlock, stream, list);
      });
}

template <typename T>
void run(const SgdRows<T>& a, Stream stream) {
  launch("sgd_step", rows_step<T>, blocks_for(a.rows.size * a.width, kBlock),
         kBlock, stream, a, rule_of(a, stream), stream.fault);
}

}  // namespace

void sgd_step(const SgdStep<float>& a, Stream s) { run(a, s); }
void sgd_step(const SgdStep<double>& a, Stream s) { run(a, s); }
void sgd_rows(const SgdRows<float>& a, Stream s) { run(a, s); }
void sgd_rows(const SgdRows<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
