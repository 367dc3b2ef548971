// Adam steps with moments of 16 or 8 bits on the CPU: decoded, moved and
// encoded in one pass, 20 and 16 bytes per element instead of 28. Bound by
// memory where moments are of 16 bits, by the codes where they are of 8.
// Dettmers et al. 2022, "8-bit optimizers via block-wise quantization".

#include "math/compact_adam.h"

#include "cpu/compact_adam_block.h"
#include "cpu/denormals.h"
#include "cpu/parallel.h"
#include "cpu/tensors.h"
#include "kernels/compact_adam.h"

namespace strop::cpu::STROP_ISA {
namespace {

// ---- bfloat16 ---------------------------------------------------------------

// `first`: the place of the first element in its tensor.
STROP_HD void move_bfloat16(GradientForm form, float* __restrict param,
                            std::uint16_t* __restrict moment1,
                            std::uint16_t* __restrict moment2,
                            const float* __restrict grad, std::uint32_t first,
                            Index n, const Rule& r) {
#pragma GCC ivdep
  for (Index i = 0; i < n; ++i) {
    const float g = seen_gradient(form, grad[i], param[i], r.gradient);
    float m = from_bfloat16(moment1[i]);
    float v = from_bfloat16(moment2[i]);
    adam_moments(m, v, g, r.c);
    param[i] = adam_param(param[i], m, v, r.c);
    const std::uint32_t chance = chance_of(r.key, first + std::uint32_t(i));
    moment1[i] = to_bfloat16(m, chance & 0xffffu);
    moment2[i] = to_bfloat16(v, chance >> 16);
  }
}

// ---- a step -----------------------------------------------------------------

void step_bfloat16(const CompactAdamStep<float>& a) {
  const CompactAdamTensor* tensors = a.tensors;
  const Rule shared{a.coefficients, a.gradient, a.key};
  for_each_piece(tensors, a.count, 6, [=](Index which, Index begin, Index end) {
    const FloatMode mode = flush_denormals();
    const CompactAdamTensor& t = tensors[which];
    Rule r = shared;
    r.c.decay = t.decay;
    for_form(r.gradient, [&](GradientForm form) __attribute__((always_inline)) {
      move_bfloat16(form, t.param + begin,
                    static_cast<std::uint16_t*>(t.moment1) + begin,
                    static_cast<std::uint16_t*>(t.moment2) + begin,
                    t.grad + begin, std::uint32_t(begin), end - begin, r);
    });
    restore_denormals(mode);
  });
}

// All tensors are one list of blocks, cut into chunks of about equal length.
void step_blocks8(const CompactAdamStep<float>& a) {
  const CompactAdamTensor* tensors = a.tensors;
  const Rule shared{a.coefficients, a.gradient, a.key};
  Index blocks = 0;
  Index elements = 0;
  for (Index k = 0; k < a.count; ++k) {
    blocks += tensors[k].rows * blocks_of(tensors[k].width);
    elements += tensors[k].size;
  }
  parallel_for(blocks, 64, elements, [=](Index begin, Index end) {
    const FloatMode mode = flush_denormals();
    Index which = 0;
    Index start = 0;  // of the tensor, among all blocks
    for_form(shared.gradient,
             [&](GradientForm form) __attribute__((always_inline)) {
               while (begin < end) {
                 const CompactAdamTensor& t = tensors[which];
                 const Index per_row = blocks_of(t.width);
                 const Index stop = start + t.rows * per_row;
                 if (begin < stop) {
                   Rule r = shared;
                   r.c.decay = t.decay;
                   Index row = (begin - start) / per_row;
                   Index block = (begin - start) % per_row;
                   const Index until = stop < end ? stop : end;
                   for (; begin < until; ++begin) {
                     move_block_of(form, t, row, row, block, r);
                     if (++block == per_row) {
                       block = 0;
                       ++row;
                     }
                   }
                 }
                 if (begin >= stop) {
                   start = stop;
                   ++which;
                 }
               }
             });
    restore_denormals(mode);
  });
}

}  // namespace

void compact_adam_step(const CompactAdamStep<float>& a) {
  if (a.format == MomentFormat::kBfloat16) {
    step_bfloat16(a);
  } else {
    step_blocks8(a);
  }
}

void compact_adam_rows(const CompactAdamRows<float>& args) {
  const CompactAdamRows<float> a = args;
  const Index width = a.table.width;
  const Index nanoseconds = a.ids.size * (5 + width);
  parallel_for(a.ids.size, 64, nanoseconds, [=](Index begin, Index end) {
    const FloatMode mode = flush_denormals();
    const CompactAdamTensor& t = a.table;
    const Rule r{a.coefficients, a.gradient, a.key};
    for_form(a.gradient, [&](GradientForm form) __attribute__((always_inline)) {
      for (Index i = begin; i < end; ++i) {
        const Index row = id_of(a.ids, i);
        const Index at = row * width;
        if (a.format == MomentFormat::kBfloat16) {
          move_bfloat16(form, t.param + at,
                        static_cast<std::uint16_t*>(t.moment1) + at,
                        static_cast<std::uint16_t*>(t.moment2) + at,
                        t.grad + i * width, std::uint32_t(at), width, r);
          continue;
        }
        for (Index block = 0; block < blocks_of(width); ++block) {
          move_block_of(form, t, row, i, block, r);
        }
      }
    });
    restore_denormals(mode);
  });
}

}  // namespace strop::cpu::STROP_ISA
