#pragma once

#include <cstddef>
#include <cstdint>

#include "math/macros.h"

// What the contracts of kernels have in common. A kernel is a function of one
// struct, `void name(const Args<T>&, Stream)` for T = float and double;
// `strop::cpu` and `strop::cuda` implement the same functions.
//
// Arrays are row-major and contiguous. Nothing is checked here: csrc/bind has
// done that before a kernel is called. Shape letters: csrc/README.md.

namespace strop {

using Index = std::int64_t;

// Where a CUDA kernel runs: the handle that Python hands over, and the place on
// that device for what a kernel finds wrong. The CPU backend ignores both.
struct Stream {
  std::uintptr_t handle = 0;
  std::uint64_t* fault = nullptr;  // 0, or ~place of the first bad id
};

// Ids as the user has them, int32 or int64; all lie in [0, V).
struct Ids {
  const void* data;
  Index size;
  bool wide;  // int64
};

// CUDA: no row, in lists of rows whose length only the device knows. Kernels
// skip it, where another id outside the table is an error.
inline constexpr Index kNoRow = INT64_MIN;

// A number of an optimizer step, which the host knows; or where it stands in
// device memory, and a kernel reads it when it runs, so that a captured graph
// goes on counting (CUDA).
template <typename N>
struct Number {
  N value;
  const N* place = nullptr;
};

// CUDA, where some stand in device memory: a kernel makes the coefficients of
// the step from them, in place of those that come with the call. `rule`: the
// settings, of math/<rule>.h.
inline constexpr Index kNumbersRoom = 16;

template <typename Rule>
struct DeviceNumbers {
  Rule rule;
  Number<double> learning_rate;
  Number<std::int64_t> step;
  Number<double> grad_scale;
  double l2;
  double* room = nullptr;  // kNumbersRoom of them; null: the host knows all
};

}  // namespace strop

// Declare the kernels of a stem's list, in both namespaces.
#define STROP_DECLARE_FLOAT32(name, Args) void name(const Args<float>&, Stream);
#define STROP_DECLARE(name, Args)   \
  STROP_DECLARE_FLOAT32(name, Args) \
  void name(const Args<double>&, Stream);
#define STROP_DECLARE_KERNELS(KERNELS, DECLARE) \
  namespace cpu {                               \
  KERNELS(DECLARE)                              \
  }                                             \
  namespace cuda {                              \
  KERNELS(DECLARE)                              \
  }
