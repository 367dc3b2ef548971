#include "kernels/activation.h"

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
void on(Index n) {
  Guarded<T> x(n), out(n), grad(n), grad_x(n);
  x.random(-4, 4);
  grad.random();
  const ActivationSettings<T> settings{T(1), T(6), T(0)};
  for (int which = 0; which <= int(Activation::kSoftsign); ++which) {
    const auto name = Activation(which);
    backend::activation_forward(
        ActivationForward<T>{x.data(), out.data(), n, name, settings}, {});
    backend::activation_backward(
        ActivationBackward<T>{grad.data(), x.data(), out.data(), grad_x.data(),
                              n, name, settings},
        {});
    out.recorded();
    grad_x.recorded();
    for (Index i = 0; i < n; ++i) {
      const double v = double(x[i]);
      if (name == Activation::kSigmoid) {
        near("sigmoid", i, out[i], 1 / (1 + std::exp(-v)), 1);
      } else if (name == Activation::kTanh) {
        near("tanh", i, out[i], std::tanh(v), 1);
      } else if (name == Activation::kLinear) {
        near("linear", i, grad_x[i], double(grad[i]), 0);
      }
    }
  }
}

}  // namespace

void test_activation() {
  for (const Index n :
       {0, 1, 3, 15, 16, 17, 33, 1000, 16'385, limited(300'001)}) {
    on<float>(n);
    on<double>(n);
  }
}

}  // namespace strop::native
