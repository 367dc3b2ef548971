#pragma once

#include "kernels/base.h"
#include "math/adam.h"
#include "math/gradient.h"

namespace strop {

// Adam with moments of 16 or 8 bits on float32 parameters; AMSGrad has none.
// math/compact_adam.h has the numbers.
enum class MomentFormat {
  kBfloat16,  // uint16, like the parameter
  kBlocks8,   // uint8, a row of the packed array for each row of the parameter
};

// A packed row of `width` codes and then, as the bytes of float32, the greatest
// size in each block of kMomentBlock: codes are of a share of it. Of the second
// moment the root is kept.
inline constexpr Index kMomentBlock = 256;

constexpr Index packed_width(Index width) {
  return width + 4 * ((width + kMomentBlock - 1) / kMomentBlock);
}

// One parameter tensor of a step: `rows` of `width` elements.
struct CompactAdamTensor {
  float* param;
  void* moment1;
  void* moment2;
  const float* grad;
  Index size;  // rows * width
  Index rows, width;
  float decay;              // in place of the coefficients' own
  double weight_decay = 0;  // `decay` by the learning rate, for `numbers`
};

template <typename T>
struct CompactAdamStep {
  const CompactAdamTensor* tensors;
  Index count;
  MomentFormat format;
  std::uint32_t key;  // of the step, for rounding by chance
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  DeviceNumbers<AdamRule> numbers = {};
};

// The same for the rows that have a gradient; the others stand still. A row
// then has the bits of a dense step.
template <typename T>
struct CompactAdamRows {
  CompactAdamTensor table;  // its grad: (R, D)
  Ids ids;                  // (R), each once
  MomentFormat format;
  std::uint32_t key;
  AdamCoefficients<T> coefficients;
  Gradient<T> gradient = {};
  DeviceNumbers<AdamRule> numbers = {};
};

#define STROP_COMPACT_ADAM_KERNELS(X)   \
  X(compact_adam_step, CompactAdamStep) \
  X(compact_adam_rows, CompactAdamRows)

STROP_DECLARE_KERNELS(STROP_COMPACT_ADAM_KERNELS, STROP_DECLARE_FLOAT32)

}  // namespace strop
