#include "kernels/lamb.h"

#include <cmath>
#include <vector>

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
void tensors(Index n, const Gradient<T>& seen) {
  Guarded<T> param(n), moment1(n), moment2(n), grad(n);
  Guarded<T> small(5), small1(5), small2(5), small_grad(5);
  for (auto* array : {&param, &grad, &small, &small_grad}) array->random();
  for (auto* array : {&moment1, &moment2, &small1, &small2}) {
    array->random(0.1, 1);
  }
  const auto p = param.copy(), m = moment1.copy(), v = moment2.copy();
  const Lamb<T> c{
      RunningMean<T>::of(0.9), T(0.99), T(0.01), T(2), T(3), T(1e-6)};
  const LambTensor<T> list[] = {
      {param.data(), grad.data(), moment1.data(), moment2.data(), n, T(0.01),
       T(0.1)},
      {small.data(), small_grad.data(), small1.data(), small2.data(), 5, 0, 0}};
  const Index blocks = (n + kLambBlock - 1) / kLambBlock + 1;
  Guarded<double> sums(2 * blocks);
  Guarded<double> steps(2);
  backend::lamb_step(
      LambStep<T>{list, 2, c, seen, 0.1, sums.data(), steps.data()}, {});
  std::vector<double> kept(static_cast<std::size_t>(n)), direction(kept);
  double norm_kept = 0, norm_direction = 0;
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double g =
        double(seen.scale) * double(grad[i]) + double(seen.l2) * p[k];
    const double first = m[k] + 0.1 * (g - m[k]);
    const double second = 0.99 * v[k] + 0.01 * g * g;
    near("moment1", i, moment1[i], first, 2);
    near("moment2", i, moment2[i], second, 2);
    kept[k] = 0.99 * p[k];
    direction[k] = 2 * first / (3 * std::sqrt(second) + 1e-6) + 0.1 * kept[k];
    norm_kept += kept[k] * kept[k];
    norm_direction += direction[k] * direction[k];
  }
  const double step = 0.1 * std::sqrt(norm_kept / norm_direction);
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    near("param", i, param[i], kept[k] - step * direction[k], 3, 32);
  }
  for (const auto* array : {&param, &moment1, &moment2, &small}) {
    array->recorded();
  }
}

template <typename T>
void all(Index n) {
  for (const Gradient<T> seen :
       {Gradient<T>{T(1), T(0)}, {T(-0.5), T(0)}, {T(0.5), T(0.1)}}) {
    tensors(n, seen);
  }
}

// The same numbers in device memory: the same bits.
template <typename T>
void numbers(Index n) {
  const LambRule rule{0.9, 0.999, 1e-6};
  const double rate = 0.01, decay = 0.1, l2 = 0.01;
  using A = Guarded<T>;
  A arrays[2][4] = {{A(n), A(n), A(n), A(n)}, {A(n), A(n), A(n), A(n)}};
  for (int k = 0; k < 4; ++k) {
    arrays[0][k].random(0.1, 1);
    for (Index i = 0; i < n; ++i) arrays[1][k][i] = arrays[0][k][i];
  }
  Guarded<double> room(kNumbersRoom), given(2);
  Guarded<std::int64_t> step(1);
  given[0] = rate, given[1] = 0.5, step[0] = 7;
  const DeviceNumbers<LambRule> device{
      rule, {0, given.data()}, {0, step.data()}, {0, given.data() + 1},
      l2,   room.data()};
  const Gradient<T> known{T(0.5), T(l2)}, form{T(0), T(l2)};
  Guarded<double> sums(2 * ((n + kLambBlock - 1) / kLambBlock)), steps(1);
  for (const bool on_device : {false, true}) {
    A* a = arrays[on_device];
    const LambTensor<T> tensor{a[0].data(), a[1].data(),
                               a[2].data(), a[3].data(),
                               n,           on_device ? T(0) : T(rate * decay),
                               T(0),        decay};
    backend::lamb_step(
        on_device
            ? LambStep<
                  T>{&tensor, 1, {}, form, 0, sums.data(), steps.data(), device}
            : LambStep<T>{&tensor, 1, coefficients_of<T>(rule, 7, rate), known,
                          rate, sums.data(), steps.data()},
        {});
  }
  for (int k = 0; k < 4; ++k) {
    for (Index i = 0; i < n; ++i) {
      STROP_CHECK(arrays[0][k][i] == arrays[1][k][i], "array %d, element %d", k,
                  int(i));
    }
  }
}

}  // namespace

void test_lamb() {
  if (STROP_SIMT) {
    numbers<float>(1500);
    numbers<double>(1500);
  }
  for (const Index n : {0, 1, 3, 15, 16, 17, 33, 1023, 1024, 1025, 17'000}) {
    all<float>(n);
    all<double>(n);
  }
  // Enough for three threads, and for a group of its own.
  tensors<float>(limited(700'001, 300'001), {1, 0});
}

}  // namespace strop::native
