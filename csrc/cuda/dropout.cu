// Dropout: each element is 0 or x * scale, as numpy.random.Philox says. A
// thread takes the eight elements of one counter; nothing is stored between the
// passes, since the draw's number gives the same mask again. Bound by memory, 8
// bytes per element, and close to it by the ten rounds, 50 instructions for
// each.

#include "cuda/common.cuh"
#include "cuda/dropout.h"

namespace strop::cuda {
namespace {

constexpr Index kWords = 8;  // of 32 bits, per counter

template <typename T>
__global__ void __launch_bounds__(kBlock)
    drop(const __grid_constant__ Dropout<T> a, bool is_wide) {
  const Index block = Index{blockIdx.x} * kBlock + threadIdx.x;
  const Index first = block * kWords;
  if (first >= a.size) return;
  const std::int64_t draw = a.draw + (a.counted ? *a.counted : 0);
  // NumPy counts before it draws: the first counter is 1.
  const PhiloxWords words =
      philox({{std::uint64_t(block) + 1, 0, std::uint64_t(draw), 0}}, a.key);
#pragma unroll
  for (int p = 0; p < int(kWords / Pack<T>::kSize); ++p) {
    const Index i = first + p * Pack<T>::kSize;
    if (i >= a.size) return;
    Pack<T> x = load(a.x, i, a.size, is_wide);
#pragma unroll
    for (int k = 0; k < int(Pack<T>::kSize); ++k) {
      const float u = philox_uniform(words, p * int(Pack<T>::kSize) + k);
      x.v[k] *= u >= a.rate ? a.scale : T(0);
    }
    store(a.out, i, a.size, is_wide, x);
  }
}

template <typename T>
void run(const Dropout<T>& a, Stream stream) {
  launch("dropout", drop<T>, blocks_for(a.size, kBlock * kWords), kBlock,
         stream, a, wide(a.x, a.out));
}

}  // namespace

void dropout(const Dropout<float>& a, Stream s) { run(a, s); }
void dropout(const Dropout<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
