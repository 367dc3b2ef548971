// Adam steps with moments of 16 or 8 bits: 20 and 16 bytes per element instead
// of 28. Bound by memory where moments are of 16 bits. 8-bit codes take some
// 190 instructions per element, and an H200 has time for 120 while it moves 16
// bytes. The bits are the CPU's.

#include "cuda/compact_adam_block.cuh"
#include "kernels/compact_adam.h"

namespace strop::cuda {
namespace {

constexpr const char* op = "compact_adam_step";

using List = TensorList<CompactAdamTensor, CompactRule>;

// ---- bfloat16 --------------------------------------------------------------

using Half = std::uint16_t;
constexpr Index kEach = Pack<Half>::kSize;  // elements per thread

// `element`: the place in the tensor, which the chance depends on.
__device__ __forceinline__ void move_element(float& param, Half& moment1,
                                             Half& moment2, float grad,
                                             std::uint32_t element,
                                             const CompactRule& r) {
  float m = from_bfloat16(moment1);
  float v = from_bfloat16(moment2);
  adam_moments(m, v, seen_gradient(r.form, grad, param, r.gradient), r.c);
  param = adam_param(param, m, v, r.c);
  const std::uint32_t chance = chance_of(r.key, element);
  moment1 = to_bfloat16(m, chance & 0xffffu);
  moment2 = to_bfloat16(v, chance >> 16);
}

__global__ void __launch_bounds__(kBlock)
    bfloat16_step(const __grid_constant__ List list) {
  constexpr int kFloats = Pack<float>::kSize;
  const int which = tensor_of(list);
  const CompactAdamTensor& t = list.tensors[which];
  const bool is_wide = list.is_wide[which];
  const CompactRule r = rule_for(list.rule, t);
  const Index chunk = Index{blockIdx.x} - list.first[which];
  const Index i = (chunk * kBlock + threadIdx.x) * kEach;
  if (i >= t.size) return;
  auto* first = static_cast<Half*>(t.moment1);
  auto* second = static_cast<Half*>(t.moment2);
  Pack<Half> moment1 = load(first, i, t.size, is_wide);
  Pack<Half> moment2 = load(second, i, t.size, is_wide);
  Pack<float> param[2], grad[2];
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    grad[k] = load_once(t.grad, i + k * kFloats, t.size, is_wide);
    param[k] = load(t.param, i + k * kFloats, t.size, is_wide);
  }
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    move_element(param[j / kFloats].v[j % kFloats], moment1.v[j], moment2.v[j],
                 grad[j / kFloats].v[j % kFloats], std::uint32_t(i) + j, r);
  }
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    store(t.param, i + k * kFloats, t.size, is_wide, param[k]);
  }
  store(first, i, t.size, is_wide, moment1);
  store(second, i, t.size, is_wide, moment2);
}

__global__ void __launch_bounds__(kBlock)
    bfloat16_rows(const __grid_constant__ CompactAdamTensor t, Ids ids,
                  const __grid_constant__ CompactRule rule,
                  std::uint64_t* fault) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= ids.size * t.width) return;
  const Place place = place_of(i, t.width);
  const Index row = id_of(ids, place.row);
  if (!row_inside(row, t.rows, place.row, fault)) return;
  const CompactRule r = rule_for(rule, t);
  const Index at = row * t.width + place.column;
  move_element(t.param[at], static_cast<Half*>(t.moment1)[at],
               static_cast<Half*>(t.moment2)[at], t.grad[i], std::uint32_t(at),
               r);
}

// ---- blocks of 8-bit codes -------------------------------------------------

// 85 registers a thread: the long chains of a code want many warps beside one
// another. sm_120 spills with so few.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 1200
constexpr unsigned kBlocksPerProcessor = 2;
#else
constexpr unsigned kBlocksPerProcessor = 3;
#endif

__global__ void __launch_bounds__(kBlock, kBlocksPerProcessor)
    blocks8_step(const __grid_constant__ List list) {
  STROP_SHARED(float, values, 2 * kCodes);
  fill_values(values);
  const int which = tensor_of(list);
  const CompactAdamTensor& t = list.tensors[which];
  const CompactRule r = rule_for(list.rule, t);
  const Index thread =
      (Index{blockIdx.x} - list.first[which]) * kBlock + threadIdx.x;
  const Place place =
      place_of(thread >> lane_bits(t.width), blocks_of_row(t.width));
  const bool there = place.row < t.rows;
  const Index row = there ? place.row : 0;
  move_block(t, r, row, row, place.column, there, list.is_wide[which], values);
}

__global__ void __launch_bounds__(kBlock, kBlocksPerProcessor)
    blocks8_rows(const __grid_constant__ CompactAdamTensor t, Ids ids,
                 const __grid_constant__ CompactRule rule, bool quads,
                 std::uint64_t* fault) {
  STROP_SHARED(float, values, 2 * kCodes);
  fill_values(values);
  const CompactRule r = rule_for(rule, t);
  const Index thread = Index{blockIdx.x} * kBlock + threadIdx.x;
  const Place place =
      place_of(thread >> lane_bits(t.width), blocks_of_row(t.width));
  const bool listed = place.row < ids.size;
  const Index row = listed ? id_of(ids, place.row) : 0;
  const bool there = listed && row_inside(row, t.rows, place.row, fault);
  move_block(t, r, there ? row : 0, place.row, place.column, there, quads,
             values);
}

// ---- a step ----------------------------------------------------------------

template <typename A>
CompactRule rule_of(const A& a, Stream s) {
  CompactRule rule;
  static_cast<SharedRule&>(rule) =
      step_rule(op, a.coefficients, a.gradient, a.numbers, s);
  rule.key = a.key;
  rule.step = a.numbers.step.place;
  return rule;
}

}  // namespace

void compact_adam_step(const CompactAdamStep<float>& a, Stream s) {
  const CompactRule rule = rule_of(a, s);
  if (a.format == MomentFormat::kBfloat16) {
    return for_lists_of<List>(
        a, rule,
        [](const CompactAdamTensor& t) {
          return wide(t.param, t.grad, static_cast<const char*>(t.moment1),
                      static_cast<const char*>(t.moment2));
        },
        [](const CompactAdamTensor& t) {
          return blocks_for(t.size, kBlock * kEach);
        },
        [&](const List& list, Index blocks) {
          launch(op, bfloat16_step, blocks, kBlock, s, list);
        });
  }
  for_lists_of<List>(
      a, rule, has_quads,
      [](const CompactAdamTensor& t) { return grid_of_rows(t.rows, t.width); },
      [&](const List& list, Index blocks) {
        launch(op, blocks8_step, blocks, kBlock, s, list);
      });
}

void compact_adam_rows(const CompactAdamRows<float>& a, Stream s) {
  const CompactRule rule = rule_of(a, s);
  const CompactAdamTensor& t = a.table;
  if (a.format == MomentFormat::kBfloat16) {
    return launch(op, bfloat16_rows, blocks_for(a.ids.size * t.width, kBlock),
                  kBlock, s, t, a.ids, rule, s.fault);
  }
  launch(op, blocks8_rows, grid_of_rows(a.ids.size, t.width), kBlock, s, t,
         a.ids, rule, has_quads(t), s.fault);
}

}  // namespace strop::cuda
