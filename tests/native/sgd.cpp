#include "kernels/sgd.h"

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
constexpr SgdCoefficients<T> kStep{T(0.9), T(-0.1), T(1), T(-0.01), T(0.001)};

template <typename T>
void tensors(Index n) {
  Guarded<T> param(n), velocity(n), grad(n), plain(n);
  param.random();
  velocity.random();
  grad.random();
  plain.random();
  const auto w = param.copy(), u = velocity.copy(), p = plain.copy();
  const SgdCoefficients<T> c = kStep<T>;
  const SgdTensor<T> list[] = {
      {param.data(), velocity.data(), grad.data(), n, c.decay},
      {plain.data(), nullptr, grad.data(), n, c.decay}};
  backend::sgd_step(SgdStep<T>{list, 2, c}, {});
  for (Index i = 0; i < n; ++i) {
    const double g = double(grad[i]);
    const double v = double(c.momentum) * u[i] + double(c.intake) * g;
    near("velocity", i, velocity[i], v, 2);
    near("param", i, param[i],
         w[i] + v + double(c.grad_weight) * g - double(c.decay) * w[i], 3);
    near("plain", i, plain[i],
         p[i] + double(c.grad_weight) * g - double(c.decay) * p[i], 3);
  }
  param.recorded();
  plain.recorded();
  // With a scale and with coupled decay: what the rule then sees.
  for (const Gradient<T> seen : {Gradient<T>{T(0.5), T(0)}, {T(-1), T(0.1)}}) {
    const auto from = plain.copy();
    backend::sgd_step(SgdStep<T>{list, 2, c, seen}, {});
    for (Index i = 0; i < n; ++i) {
      const double g = double(seen.scale) * grad[i] + double(seen.l2) * from[i];
      near("plain", i, plain[i],
           from[i] + double(c.grad_weight) * g - double(c.decay) * from[i], 3);
    }
    param.recorded();
  }
}

template <typename T, typename Id>
void rows(Index count, Index width) {
  Guarded<T> param((count + 2) * width), velocity(param.size()),
      grad(count * width);
  param.random();
  velocity.random();
  grad.random();
  Guarded<Id> ids(count);
  for (Index i = 0; i < count; ++i) ids[i] = Id(count + 1 - i);
  const auto w = param.copy(), u = velocity.copy();
  const SgdCoefficients<T> c = kStep<T>;
  backend::sgd_rows(
      SgdRows<T>{param.data(), velocity.data(), grad.data(), ids_of(ids), width,
                 width, c, Gradient<T>{}, count + 2},
      {});
  for (Index i = 0; i < count; ++i) {
    for (Index d = 0; d < width; ++d) {
      const Index at = Index(ids[i]) * width + d;
      const double g = double(grad[i * width + d]);
      const double v = double(c.momentum) * u[at] + double(c.intake) * g;
      near("param", at, param[at],
           w[at] + v + double(c.grad_weight) * g - double(c.decay) * w[at], 3);
    }
  }
  param.recorded();
}

}  // namespace

void test_sgd() {
  for (const Index n :
       {0, 1, 3, 15, 16, 17, 33, 1000, 16'385, limited(1'500'001)}) {
    tensors<float>(n);
    tensors<double>(n);
  }
  for (const Index width : {1, 3, 16, 17}) {
    rows<float, std::int64_t>(5, width);
    rows<double, std::int32_t>(5, width);
  }
  rows<float, std::int32_t>(limited(90'001), 16);
}

}  // namespace strop::native
