#pragma once

#include "cuda/multi_tensor.cuh"
#include "cuda/numbers.cuh"
#include "kernels/update.h"

// A step by any rule of math/<rule>.h that works element by element, on many
// tensors or on rows of one. Which states there are is the same for all tensors
// of a launch list and is settled at compile time, as on the CPU.

namespace strop::cuda {

template <typename T, template <typename> class R>
using UpdateRule = StepRule<T, R<T>>;

template <unsigned kHas, typename T, template <typename> class R>
__device__ __forceinline__ void update_element(T& param, T grad, T& state0,
                                               T& state1, T& state2, T decay,
                                               const UpdateRule<T, R>& r) {
  const T seen = seen_gradient(r.form, grad, param, r.gradient);
  const T change = change_of<kHas>(seen, state0, state1, state2, r.c);
  param = decay != 0 ? changed_param<true>(param, change, decay)
                     : changed_param<false>(param, change, decay);
}

template <unsigned kHas, typename T, template <typename> class R, typename List>
__global__ void __launch_bounds__(kBlock, kStepBlocks<T>)
    update_tensors(const __grid_constant__ List list) {
  const int which = tensor_of(list);
  const UpdateTensor<T>& t = list.tensors[which];
  const bool is_wide = list.is_wide[which];
  UpdateRule<T, R> r = list.rule;
  const T decay = take_numbers(r, t.decay, t.weight_decay);
  for_chunk<T>(Index{blockIdx.x} - list.first[which], t.size, [&](Index i) {
    const Pack<T> grad = load_once(t.grad, i, t.size, is_wide);
    Pack<T> param = load(t.param, i, t.size, is_wide);
    Pack<T> state[3] = {};
#pragma unroll
    for (int s = 0; s < 3; ++s) {
      if ((kHas >> s & 1) != 0) state[s] = load(t.state[s], i, t.size, is_wide);
    }
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      update_element<kHas>(param.v[k], grad.v[k], state[0].v[k], state[1].v[k],
                           state[2].v[k], decay, r);
    }
    store(t.param, i, t.size, is_wide, param);
#pragma unroll
    for (int s = 0; s < 3; ++s) {
      if ((kHas >> s & 1) != 0) store(t.state[s], i, t.size, is_wide, state[s]);
    }
  });
}

template <unsigned kHas, typename T, template <typename> class R>
__global__ void __launch_bounds__(kBlock)
    update_rows(const __grid_constant__ UpdateTensor<T> t, Ids rows,
                Index width, const __grid_constant__ UpdateRule<T, R> rule,
                std::uint64_t* fault) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= rows.size * width) return;
  const Place place = place_of(i, width);
  const Index row = id_of(rows, place.row);
  if (!row_inside(row, t.size / width, place.row, fault)) return;
  const Index at = row * width + place.column;
  T param = t.param[at], state[3] = {};
#pragma unroll
  for (int s = 0; s < 3; ++s) {
    if ((kHas >> s & 1) != 0) state[s] = t.state[s][at];
  }
  UpdateRule<T, R> r = rule;
  const T decay = take_numbers(r, t.decay, t.weight_decay);
  update_element<kHas>(param, t.grad[i], state[0], state[1], state[2], decay,
                       r);
  t.param[at] = param;
#pragma unroll
  for (int s = 0; s < 3; ++s) {
    if ((kHas >> s & 1) != 0) t.state[s][at] = state[s];
  }
}

template <unsigned kHas, typename T, template <typename> class R>
void launch_lists(const UpdateStep<T, R>& a, const UpdateRule<T, R>& rule,
                  const char* op, Stream stream) {
  using List = TensorList<UpdateTensor<T>, UpdateRule<T, R>>;
  for_lists<List, T>(
      a, rule,
      [](const UpdateTensor<T>& t) {
        return wide(t.param, t.grad, t.state[0], t.state[1], t.state[2]);
      },
      [&](const List& list, Index blocks) {
        launch(op, update_tensors<kHas, T, R, List>, blocks, kBlock, stream,
               list);
      });
}

// The kernel for the states that `kHas` names, and those of `kAsk` that are
// there.
template <unsigned kHas, unsigned kAsk, typename T, template <typename> class R>
void update_with(const UpdateStep<T, R>& a, const char* op, Stream stream) {
  if constexpr (kAsk != 0) {
    constexpr int kWhich = (kAsk & 1) != 0 ? 0 : (kAsk & 2) != 0 ? 1 : 2;
    constexpr unsigned kBit = 1u << kWhich;
    return a.tensors[0].state[kWhich] != nullptr
               ? update_with<kHas | kBit, kAsk & ~kBit>(a, op, stream)
               : update_with<kHas, kAsk & ~kBit>(a, op, stream);
  } else {
    const UpdateRule<T, R> rule =
        step_rule(op, a.rule, a.gradient, a.numbers, stream);
    if (a.rows.data != nullptr) {
      return launch(op, update_rows<kHas, T, R>,
                    blocks_for(a.rows.size * a.width, kBlock), kBlock, stream,
                    a.tensors[0], a.rows, a.width, rule, stream.fault);
    }
    launch_lists<kHas>(a, rule, op, stream);
  }
}

template <typename T, template <typename> class R>
void update(const UpdateStep<T, R>& a, const char* op, Stream stream) {
  if (a.count == 0) return;
  update_with<R<T>::kStates, R<T>::kOptional>(a, op, stream);
}

#define STROP_UPDATE(name, Step)                                     \
  void name(const Step<float>& a, Stream s) { update(a, #name, s); } \
  void name(const Step<double>& a, Stream s) { update(a, #name, s); }

}  // namespace strop::cuda
