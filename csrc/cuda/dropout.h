#pragma once

#include "kernels/base.h"
#include "math/philox.h"

// On CUDA alone: on the host NumPy draws the mask.

namespace strop::cuda {

// out[i] = u[i] >= rate ? x[i] * scale : x[i] * 0, where u are the float32
// numbers of numpy.random.Philox at counter (0, 0, draw + *counted, 0).
// `counted` is on the device, so that a captured graph counts on; null counts
// as 0. out may be x.
template <typename T>
struct Dropout {
  const T* x;
  T* out;
  Index size;
  PhiloxKey key;
  std::int64_t draw;
  const std::int64_t* counted;
  float rate;
  T scale;
};

void dropout(const Dropout<float>&, Stream);
void dropout(const Dropout<double>&, Stream);

}  // namespace strop::cuda
