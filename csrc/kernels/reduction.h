#pragma once

#include "kernels/base.h"

namespace strop {

enum class Reduction { kSum, kSumOfSquares, kMax };

// x (outer, extent, inner) -> out (outer, inner), in double. A sum is formed in
// a fixed order; a NaN wins a maximum.
template <typename T>
struct Reduce {
  const T* x;
  double* out;
  Index outer, extent, inner;
  Reduction which;
  double* workspace = nullptr;  // CUDA: cuda::reduce_workspace of them
};

// Values in double to T: as they are, divided by `count`, or their roots.
enum class Finish { kCopy, kDivide, kRoot };

template <typename T>
struct FinishReduction {
  const double* values;
  T* out;
  Index size;
  double count;
  Finish which;
};

// The place of the greatest element along `extent`; the first of equals, and
// the first NaN before all.
template <typename T>
struct ArgMax {
  const T* x;
  std::int64_t* out;
  Index outer, extent, inner;
  double* workspace = nullptr;  // CUDA: cuda::argmax_workspace of them
};

#define STROP_REDUCTION_KERNELS(X) X(reduce, Reduce) X(argmax, ArgMax)

STROP_DECLARE_KERNELS(STROP_REDUCTION_KERNELS, STROP_DECLARE)

namespace cuda {
STROP_DECLARE(finish_reduction, FinishReduction)
Index reduce_workspace(Index outer, Index extent, Index inner);
Index argmax_workspace(Index outer, Index extent, Index inner);
}  // namespace cuda

}  // namespace strop
