#include "kernels/update.h"

#include <vector>

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
constexpr T kTenth = T(0.1);

// The rules, each with the states it is given.
template <typename T, typename F>
void each_rule(const F& f) {
  const auto mean = RunningMean<T>::of(0.9);
  const T lr = T(0.01), eps = T(1e-7);
  f(Adadelta<T>{T(0.9), kTenth<T>, eps, lr}, 3u,
    [](const auto& a) { backend::adadelta_step(a, {}); });
  f(Adagrad<T>{eps, 0, lr}, 1u,
    [](const auto& a) { backend::adagrad_step(a, {}); });
  f(Adamax<T>{mean, T(0.99), eps, 0, lr}, 3u,
    [](const auto& a) { backend::adamax_step(a, {}); });
  f(Lion<T>{T(0.9), kTenth<T>, T(0.99), T(0.01), lr}, 1u,
    [](const auto& a) { backend::lion_step(a, {}); });
  f(Nadam<T>{mean, T(0.99), T(0.01), T(2), eps, lr, lr}, 3u,
    [](const auto& a) { backend::nadam_step(a, {}); });
  for (const bool rectified : {false, true}) {
    f(Radam<T>{mean, T(0.99), T(0.01), eps, lr, T(rectified)}, 3u,
      [](const auto& a) { backend::radam_step(a, {}); });
  }
  for (const unsigned states : {1u, 3u, 5u, 7u}) {
    f(Rmsprop<T>{T(0.9), kTenth<T>, mean, eps, 0, T(0.9), lr, 1, lr}, states,
      [](const auto& a) { backend::rmsprop_step(a, {}); });
  }
  f(Rprop<T>{T(0.5), T(1.2), T(1e-6), T(50)}, 3u,
    [](const auto& a) { backend::rprop_step(a, {}); });
}

// What a rule makes of one element, with the formula in T itself.
template <unsigned kHas, typename T, typename Rule>
void element(T& param, T grad, T* state, const Gradient<T>& g, T decay,
             const Rule& rule) {
  const T seen = seen_gradient(form_of(g), grad, param, g);
  const T change = change_of<kHas>(seen, state[0], state[1], state[2], rule);
  param = decay != 0 ? changed_param<true>(param, change, decay)
                     : changed_param<false>(param, change, decay);
}

template <typename T, typename Rule>
void element(unsigned has, T& param, T grad, T* state, const Gradient<T>& g,
             T decay, const Rule& rule) {
  if (has == 1) element<1>(param, grad, state, g, decay, rule);
  if (has == 3) element<3>(param, grad, state, g, decay, rule);
  if (has == 5) element<5>(param, grad, state, g, decay, rule);
  if (has == 7) element<7>(param, grad, state, g, decay, rule);
}

// All of the arrays of one tensor, `rows` of them with a gradient.
template <typename T>
struct Arrays {
  Guarded<T> param, grad, state0, state1, state2;
  unsigned has;

  Arrays(Index n, Index with_grad, unsigned states)
      : param(n),
        grad(with_grad),
        state0(n),
        state1((states & 2) != 0 ? n : 0),
        state2((states & 4) != 0 ? n : 0),
        has(states) {
    param.random();
    grad.random();
    state0.random(0.5, 1);
    state1.random(0, 0.5);
    state2.random(0, 0.5);
  }
  UpdateTensor<T> tensor(T decay) const {
    return {param.data(),
            grad.data(),
            {state0.data(), (has & 2) != 0 ? state1.data() : nullptr,
             (has & 4) != 0 ? state2.data() : nullptr},
            param.size(),
            decay};
  }
  std::vector<T> at(Index i) const {
    return {state0[i], (has & 2) != 0 ? state1[i] : T(0),
            (has & 4) != 0 ? state2[i] : T(0)};
  }
  void recorded() const {
    for (const auto* array : {&param, &state0, &state1, &state2}) {
      array->recorded();
    }
  }
};

const struct {
  double scale, l2, decay;
} kSettings[] = {{1, 0, 0}, {-0.5, 0, 0.001}, {1, 0.1, 0}, {0.5, 0.1, 0.001}};

template <typename T, template <typename> class Rule, typename Kernel>
void tensors(Index n, const Rule<T>& rule, unsigned has, const Kernel& kernel) {
  for (const auto& s : kSettings) {
    const Gradient<T> g{T(s.scale), T(s.l2)};
    Arrays<T> first(n, n, has), second(7, 7, has);
    const UpdateTensor<T> list[] = {first.tensor(T(s.decay)), second.tensor(0)};
    std::vector<T> want;
    for (Index i = 0; i < n; ++i) {
      T param = first.param[i];
      element(has, param, first.grad[i], first.at(i).data(), g, T(s.decay),
              rule);
      want.push_back(param);
    }
    kernel(UpdateStep<T, Rule>{list, 2, {}, 0, g, rule});
    for (Index i = 0; i < n; ++i) {
      near("param", i, first.param[i], double(want[std::size_t(i)]), 1, 4);
    }
    first.recorded();
    second.recorded();
  }
}

template <typename T, typename Id, template <typename> class Rule,
          typename Kernel>
void rows(Index count, Index width, const Rule<T>& rule, unsigned has,
          const Kernel& kernel) {
  for (const auto& s : kSettings) {
    const Gradient<T> g{T(s.scale), T(s.l2)};
    Arrays<T> table((count + 2) * width, count * width, has);
    Guarded<Id> ids(count);
    for (Index i = 0; i < count; ++i) ids[i] = Id(count + 1 - i);
    std::vector<double> want = table.param.copy();
    for (Index i = 0; i < count * width; ++i) {
      const Index at = Index(ids[i / width]) * width + i % width;
      T param = table.param[at];
      element(has, param, table.grad[i], table.at(at).data(), g, T(s.decay),
              rule);
      want[std::size_t(at)] = double(param);
    }
    const UpdateTensor<T> t = table.tensor(T(s.decay));
    kernel(UpdateStep<T, Rule>{&t, 1, ids_of(ids), width, g, rule});
    for (Index i = 0; i < table.param.size(); ++i) {
      near("param", i, table.param[i], want[std::size_t(i)], 1, 4);
    }
    table.recorded();
  }
}

template <typename T>
void all() {
  each_rule<T>([](const auto& rule, unsigned has, const auto& kernel) {
    for (const Index n : {0, 1, 3, 15, 16, 17, 33, 4099}) {
      tensors(n, rule, has, kernel);
    }
    for (const Index width : {1, 3, 16, 17}) {
      rows<T, std::int64_t>(5, width, rule, has, kernel);
    }
    rows<T, std::int32_t>(301, 16, rule, has, kernel);
  });
}

}  // namespace

void test_update() {
  all<float>();
  all<double>();
  // Enough for three threads.
  tensors(limited(1'500'001), Lion<float>{0.9f, 0.1f, 0.99f, 0.01f, 0.01f}, 1,
          [](const auto& a) { backend::lion_step(a, {}); });
}

}  // namespace strop::native
