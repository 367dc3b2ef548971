#include "kernels/adam.h"

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
constexpr AdamCoefficients<T> kStep{T(0.9),  T(0.1), T(0.999), T(0.001),
                                    T(0.01), T(2),   T(1e-7),  T(0.001)};

template <typename T>
double expected(double param, double m, double v, double g) {
  const AdamCoefficients<T> c = kStep<T>;
  const double m1 = double(c.beta1) * m + double(c.one_minus_beta1) * g;
  const double v1 = double(c.beta2) * v + double(c.one_minus_beta2) * g * g;
  const double root = std::sqrt(v1) * double(c.inv_root_c2) + double(c.eps);
  return param - double(c.decay) * param - double(c.step_size) * m1 / root;
}

template <typename T>
struct State {
  Guarded<T> param, moment1, moment2, top, grad;
  explicit State(Index size, Index grads)
      : param(size), moment1(size), moment2(size), top(size), grad(grads) {
    param.random();
    moment1.random();
    moment2.random(0.1, 1);
    top.fill(T(0));
    grad.random();
  }
};

template <typename T>
void tensors(Index n) {
  State<T> a(n, n), b(3, 3);
  const auto before = a.param.copy(), m = a.moment1.copy(),
             v = a.moment2.copy();
  const AdamTensor<T> list[] = {
      {a.param.data(), a.moment1.data(), a.moment2.data(), nullptr,
       a.grad.data(), n, kStep<T>.decay},
      {b.param.data(), b.moment1.data(), b.moment2.data(), b.top.data(),
       b.grad.data(), 3, T(0)},
  };
  backend::adam_step(AdamStep<T>{list, 2, kStep<T>}, {});
  for (Index i = 0; i < n; ++i) {
    near("param", i, a.param[i],
         expected<T>(before[i], m[i], v[i], double(a.grad[i])), 2);
  }
  a.param.recorded();
  a.moment2.recorded();
  b.param.recorded();
  b.top.recorded();
  // With a scale and with coupled decay: what the rule then sees.
  for (const Gradient<T> g : {Gradient<T>{T(0.5), T(0)}, {T(-1), T(0.1)}}) {
    const auto w = a.param.copy(), m1 = a.moment1.copy(), v1 = a.moment2.copy();
    backend::adam_step(AdamStep<T>{list, 2, kStep<T>, g}, {});
    for (Index i = 0; i < n; ++i) {
      const double seen = double(g.scale) * a.grad[i] + double(g.l2) * w[i];
      near("param", i, a.param[i], expected<T>(w[i], m1[i], v1[i], seen), 2);
    }
    a.param.recorded();
  }
}

template <typename T, typename Id>
void rows(Index count, Index width) {
  const Index table = 2 * count + 1;
  State<T> a(table * width, count * width);
  Guarded<Id> ids(count);
  for (Index i = 0; i < count; ++i) ids[i] = Id(2 * i + i % 2);
  const auto before = a.param.copy(), m = a.moment1.copy(),
             v = a.moment2.copy();
  backend::adam_rows(
      AdamRows<T>{a.param.data(), a.moment1.data(), a.moment2.data(), nullptr,
                  a.grad.data(), ids_of(ids), width, width, kStep<T>,
                  Gradient<T>{}, table},
      {});
  for (Index i = 0; i < count; ++i) {
    for (Index d = 0; d < width; ++d) {
      const Index at = Index(ids[i]) * width + d;
      near("param", at, a.param[at],
           expected<T>(before[at], m[at], v[at], double(a.grad[i * width + d])),
           2);
    }
  }
  a.param.recorded();
}

// The same numbers in device memory: the same bits, on all and on rows.
template <typename T>
void numbers(Index n) {
  const AdamRule rule{0.9, 0.999, 1e-7, true, true};
  const double rate = 0.01, decay = 0.1, l2 = 0.01;
  State<T> a(n, n), b(n, n);
  for (Index i = 0; i < n; ++i) {
    b.param[i] = a.param[i], b.grad[i] = a.grad[i];
    b.moment1[i] = a.moment1[i], b.moment2[i] = a.moment2[i];
  }
  Guarded<double> room(kNumbersRoom), given(2);
  Guarded<std::int64_t> step(1), ids(1);
  given[0] = rate, given[1] = 0.5, step[0] = 7, ids[0] = 0;
  const DeviceNumbers<AdamRule> device{
      rule, {0, given.data()}, {0, step.data()}, {0, given.data() + 1},
      l2,   room.data()};
  const auto known = coefficients_of<T>(rule, 7, rate, decay);
  const Gradient<T> g{T(0.5), T(l2)}, form{T(0), T(l2)};
  const auto tensor = [n, decay](const State<T>& s, T share) {
    return AdamTensor<T>{s.param.data(),
                         s.moment1.data(),
                         s.moment2.data(),
                         nullptr,
                         s.grad.data(),
                         n,
                         share,
                         decay};
  };
  const AdamTensor<T> own = tensor(a, known.decay), other = tensor(b, T(0));
  backend::adam_step(AdamStep<T>{&own, 1, known, g}, {});
  backend::adam_step(AdamStep<T>{&other, 1, {}, form, device}, {});
  backend::adam_rows(
      AdamRows<T>{a.param.data(), a.moment1.data(), a.moment2.data(), nullptr,
                  a.grad.data(), ids_of(ids), n, n, known, g, 1},
      {});
  backend::adam_rows(AdamRows<T>{b.param.data(),
                                 b.moment1.data(),
                                 b.moment2.data(),
                                 nullptr,
                                 b.grad.data(),
                                 ids_of(ids),
                                 n,
                                 n,
                                 {},
                                 form,
                                 1,
                                 decay,
                                 device},
                     {});
  for (Index i = 0; i < n; ++i) {
    STROP_CHECK(a.param[i] == b.param[i], "element %d", int(i));
  }
}

}  // namespace

void test_adam() {
  if (STROP_SIMT) {
    numbers<float>(700);
    numbers<double>(700);
  }
  for (const Index n :
       {0, 1, 3, 15, 16, 17, 33, 1000, 16'385, limited(700'001)}) {
    tensors<float>(n);
    tensors<double>(n);
  }
  for (const Index width : {1, 3, 16, 17}) {
    rows<float, std::int32_t>(5, width);
    rows<double, std::int64_t>(5, width);
  }
  rows<float, std::int64_t>(limited(40'001), 16);
}

}  // namespace strop::native
