// Activations, element by element. The cheap ones are bound by memory, the
// others by their polynomial: about 1 ns per element for tanh on AVX2.

#include "kernels/activation.h"

#include "cpu/lanes.h"
#include "cpu/parallel.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kChunk = 1 << 14;

// About what an element takes, in 1/16 ns: the cheap ones read and write, the
// others have a polynomial or two.
constexpr Index sixteenths(Activation a) {
  switch (a) {
    case Activation::kLinear:
    case Activation::kRelu:
    case Activation::kLeakyRelu:
    case Activation::kHardSigmoid:
    case Activation::kSoftsign:
      return 3;
    case Activation::kGelu:
    case Activation::kGeluTanh:
    case Activation::kMish:
      return 16;
    default:
      return 8;
  }
}

// Bound by arithmetic, and faster on explicit vectors: AVX-512 scales by a
// power of two in one instruction that no loop is compiled to.
template <typename T>
constexpr bool on_vectors(Activation a) {
  return sizeof(T) == 4 &&
         (a == Activation::kSigmoid || a == Activation::kGelu ||
          a == Activation::kSilu || a == Activation::kExponential);
}

template <Activation A>
STROP_HD void forward_lanes(const float* x, float* out, Index size) {
  for_lanes(size, [=](Index i, Index n) __attribute__((always_inline)) {
    const Lanes<float> y = map(
        load_lanes(x + i, n, 0.0f), [](auto r) __attribute__((always_inline)) {
          return A == Activation::kSigmoid ? logistic(r)
                 : A == Activation::kGelu  ? gelu(r)
                 : A == Activation::kSilu  ? silu(r)
                                           : strop::exponential(r);
        });
    store_lanes(out + i, y, n);
  });
}

template <Activation A>
STROP_HD void backward_lanes(const float* grad, const float* x,
                             const float* out, float* grad_x, Index size) {
  for_lanes(size, [=](Index i, Index n) __attribute__((always_inline)) {
    const Lanes<float> slopes =
        map(load_lanes(x + i, n, 0.0f), load_lanes(out + i, n, 0.0f),
            [](auto v, auto y) __attribute__((always_inline)) {
              return A == Activation::kGelu ? gelu_slope(v) : silu_slope(v, y);
            });
    store_lanes(grad_x + i, load_lanes(grad + i, n, 0.0f) * slopes, n);
  });
}

template <Activation A, typename T>
void forward_as(const ActivationForward<T>& args) {
  const T* x = args.x;
  T* out = args.out;
  const ActivationSettings<T> s = args.settings;
  parallel_for(args.size, kChunk, args.size * sixteenths(A) / 16,
               [=](Index begin, Index end) {
                 if constexpr (on_vectors<T>(A)) {
                   return forward_lanes<A>(x + begin, out + begin, end - begin);
                 }
                 const ActivationSettings<T> own = s;
#pragma GCC ivdep
                 for (Index i = begin; i < end; ++i) {
                   out[i] = activate<A>(x[i], own);
                 }
               });
}

template <Activation A, typename T>
void backward_as(const ActivationBackward<T>& args) {
  const T* grad = args.grad;
  const T* x = args.x;
  const T* out = args.out;
  T* grad_x = args.grad_x;
  constexpr bool kNeedsX = A == Activation::kGelu || A == Activation::kSilu;
  const ActivationSettings<T> s = args.settings;
  parallel_for(args.size, kChunk, args.size * sixteenths(A) / 16,
               [=](Index begin, Index end) {
                 if constexpr (on_vectors<T>(A) && kNeedsX) {
                   return backward_lanes<A>(grad + begin, x + begin,
                                            out + begin, grad_x + begin,
                                            end - begin);
                 }
                 const ActivationSettings<T> own = s;
#pragma GCC ivdep
                 for (Index i = begin; i < end; ++i) {
                   grad_x[i] = grad[i] * slope<A>(x[i], out[i], own);
                 }
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

template <typename T>
void forward(const ActivationForward<T>& a) {
  switch (a.which) {
#define STROP_CASE(name) \
  case Activation::name: \
    return forward_as<Activation::name>(a);
    STROP_EACH_ACTIVATION(STROP_CASE)
#undef STROP_CASE
  }
}

template <typename T>
void backward(const ActivationBackward<T>& a) {
  switch (a.which) {
#define STROP_CASE(name) \
  case Activation::name: \
    return backward_as<Activation::name>(a);
    STROP_EACH_ACTIVATION(STROP_CASE)
#undef STROP_CASE
  }
}

}  // namespace

void activation_forward(const ActivationForward<float>& a) { forward(a); }
void activation_forward(const ActivationForward<double>& a) { forward(a); }
void activation_backward(const ActivationBackward<float>& a) { backward(a); }
void activation_backward(const ActivationBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
