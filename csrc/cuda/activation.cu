// Activations, element by element, two packs of 16 bytes per thread. Bound by
// memory: 8 bytes per element forward, 12 or 16 back.

#include "cuda/common.cuh"
#include "kernels/activation.h"

namespace strop::cuda {
namespace {

constexpr Index kPacks = 2;

// One block's elements, one pack per thread at a time.
template <typename T, typename F>
__device__ __forceinline__ void for_packs(Index n, const F& body) {
  constexpr Index kSize = Pack<T>::kSize;
  const Index begin = Index{blockIdx.x} * kBlock * kPacks * kSize;
#pragma unroll
  for (Index k = 0; k < kPacks; ++k) {
    const Index i = begin + (k * kBlock + threadIdx.x) * kSize;
    if (i < n) body(i);
  }
}

template <Activation A, typename T>
__device__ __forceinline__ void forward_as(const ActivationForward<T>& a,
                                           bool is_wide) {
  for_packs<T>(a.size, [&](Index i) {
    Pack<T> p = load(a.x, i, a.size, is_wide);
#pragma unroll
    for (T& v : p.v) v = activate<A>(v, a.settings);
    store(a.out, i, a.size, is_wide, p);
  });
}

template <Activation A, typename T>
__device__ __forceinline__ void backward_as(const ActivationBackward<T>& a,
                                            bool is_wide) {
  for_packs<T>(a.size, [&](Index i) {
    const Pack<T> x = load(a.x, i, a.size, is_wide);
    const Pack<T> y = load(a.out, i, a.size, is_wide);
    Pack<T> p = load(a.grad, i, a.size, is_wide);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) {
      p.v[k] *= slope<A>(x.v[k], y.v[k], a.settings);
    }
    store(a.grad_x, i, a.size, is_wide, p);
  });
}

#define STROP_EACH_ACTIVATION(X) \
  X(kLinear)                     \
  X(kRelu)                       \
  X(kSigmoid)                    \
  X(kTanh)                       \
  X(kElu)                        \
  X(kExponential)                \
  X(kGelu)                       \
  X(kGeluTanh)                   \
  X(kHardSigmoid)                \
  X(kLeakyRelu) X(kMish) X(kSelu) X(kSilu) X(kSoftplus) X(kSoftsign)

// One kernel with a branch that the whole grid takes alike: fifteen kernels
// would be fifteen times the code and no faster where memory is the bound.
template <typename T>
__global__ void __launch_bounds__(kBlock)
    forward(const __grid_constant__ ActivationForward<T> a, bool is_wide) {
  switch (a.which) {
#define STROP_CASE(name) \
  case Activation::name: \
    return forward_as<Activation::name>(a, is_wide);
    STROP_EACH_ACTIVATION(STROP_CASE)
#undef STROP_CASE
  }
}

template <typename T>
__global__ void __launch_bounds__(kBlock)
    backward(const __grid_constant__ ActivationBackward<T> a, bool is_wide) {
  switch (a.which) {
#define STROP_CASE(name) \
  case Activation::name: \
    return backward_as<Activation::name>(a, is_wide);
    STROP_EACH_ACTIVATION(STROP_CASE)
#undef STROP_CASE
  }
}

template <typename T>
Index blocks_of(Index size) {
  return blocks_for(size, kBlock * kPacks * Pack<T>::kSize);
}

template <typename T>
void run(const ActivationForward<T>& a, Stream stream) {
  launch("activation", forward<T>, blocks_of<T>(a.size), kBlock, stream, a,
         wide(a.x, a.out));
}

template <typename T>
void run(const ActivationBackward<T>& a, Stream stream) {
  launch("activation_backward", backward<T>, blocks_of<T>(a.size), kBlock,
         stream, a, wide(a.grad, a.x, a.out, a.grad_x));
}

}  // namespace

void activation_forward(const ActivationForward<float>& a, Stream s) {
  run(a, s);
}
void activation_forward(const ActivationForward<double>& a, Stream s) {
  run(a, s);
}
void activation_backward(const ActivationBackward<float>& a, Stream s) {
  run(a, s);
}
void activation_backward(const ActivationBackward<double>& a, Stream s) {
  run(a, s);
}

}  // namespace strop::cuda
