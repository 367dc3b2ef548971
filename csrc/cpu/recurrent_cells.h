#pragma once

#include "cpu/recurrent_rows.h"

// What the gates of one row make of a step: everything between the products, in
// registers, from the arrays of the caller and back to them. `count` groups,
// each a register; the gates of a row are `units` apart.

namespace strop::cpu::STROP_ISA {
namespace {

// One register: nothing is summed here, so its width changes no bit.
template <typename T>
using Vec = typename RegisterOf<T>::Type;
template <typename T>
constexpr Index kGroup = sizeof(Vec<T>) / sizeof(T);

template <typename T>
STROP_HD Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <typename T>
STROP_HD void store(T* p, const Vec<T>& v) {
  __builtin_memcpy(p, &v, sizeof v);
}

template <typename T, typename F>
STROP_HD void for_groups(Index count, const F& f) {
  for (Index i = 0; i < count * kGroup<T>; i += kGroup<T>) f(i);
}

template <Activation A, typename T>
void activate_each(T* x) {
  for (Index i = 0; i < kGroup<T>; ++i) x[i] = activate_plainly<A>(x[i]);
}

template <Activation A, typename T>
void slope_each(T* y) {
  for (Index i = 0; i < kGroup<T>; ++i) y[i] = slope_of_value<A>(y[i]);
}

// The slow way, for any activation.
template <typename T>
__attribute__((noinline)) void apply(Activation which, bool slope, T* x) {
#define STROP_CASE(name)                           \
  case Activation::name:                           \
    return slope ? slope_each<Activation::name>(x) \
                 : activate_each<Activation::name>(x);
  switch (which) {
    STROP_CASE(kRelu)
    STROP_CASE(kSigmoid)
    STROP_CASE(kTanh)
    STROP_CASE(kHardSigmoid)
    default:
      if (slope) slope_each<Activation::kLinear>(x);
  }
#undef STROP_CASE
}

template <typename T>
STROP_HD Vec<T> applied(Activation which, bool slope, const Vec<T>& v) {
  T copy[kGroup<T>];
  store<T>(copy, v);
  apply(which, slope, copy);
  return load<T>(copy);
}

// kUsual: tanh and sigmoid, inlined; of float alone, for of double they are the
// C library's.
template <bool kUsual, typename T>
struct Functions {
  Activation activation, recurrent;

  __attribute__((always_inline)) Vec<T> value(Vec<T> v) const {
    if constexpr (kUsual) {
      return hyperbolic_tangent(v);
    }
    return applied<T>(activation, false, v);
  }
  __attribute__((always_inline)) Vec<T> gate(Vec<T> v) const {
    if constexpr (kUsual) {
      return logistic_plainly(v);
    }
    return applied<T>(recurrent, false, v);
  }
  __attribute__((always_inline)) Vec<T> value_slope(const Vec<T>& y) const {
    if constexpr (kUsual) return T(1) - y * y;
    return applied<T>(activation, true, y);
  }
  __attribute__((always_inline)) Vec<T> gate_slope(const Vec<T>& y) const {
    if constexpr (kUsual) return y * (T(1) - y);
    return applied<T>(recurrent, true, y);
  }
};

// Arrays of one row at one step: those of the caller, and a thread's own.
template <typename T>
struct ForwardRow {
  T* gates;                   // x W + bias
  const T* bias;              // kGru
  T *out, *before, *carried;  // or null
  bool save;
  const T* product[4];  // of the thread, as the following
  const T *h, *met, *c;
  T *next, *next_c, *reset;
};

template <bool kUsual, typename T>
void lstm_row(const Functions<kUsual, T>& f, const ForwardRow<T>& r,
              Index units, Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const auto sum = [=](Index g,
                         const T* product) __attribute__((always_inline)) {
      return load(r.gates + g * units + i) + load(product + i);
    };
    const Vec<T> in = f.gate(sum(0, r.product[0]));
    const Vec<T> forget = f.gate(sum(1, r.product[1]));
    const Vec<T> value = f.value(sum(2, r.product[2]));
    const Vec<T> shown = f.gate(sum(3, r.product[3]));
    const Vec<T> c = forget * load(r.c + i) + in * value;
    const Vec<T> h = shown * f.value(c);
    store<T>(r.next_c + i, c);
    store<T>(r.next + i, h);
    if (r.out != nullptr) store<T>(r.out + i, h);
    if (!r.save) return;
    store<T>(r.gates + i, in);
    store<T>(r.gates + units + i, forget);
    store<T>(r.gates + 2 * units + i, value);
    store<T>(r.gates + 3 * units + i, shown);
    store<T>(r.carried + i, c);
    store<T>(r.before + i, load(r.met + i));
  });
}

template <bool kUsual, typename T>
void simple_row(const Functions<kUsual, T>& f, const ForwardRow<T>& r,
                Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const Vec<T> h = f.value(load(r.gates + i) + load(r.product[0] + i));
    store<T>(r.next + i, h);
    if (r.out != nullptr) store<T>(r.out + i, h);
    if (!r.save) return;
    store<T>(r.gates + i, h);
    store<T>(r.before + i, load(r.met + i));
  });
}

// Before the product with the reset state: kGruBefore.
template <bool kUsual, typename T>
void reset_row(const Functions<kUsual, T>& f, const ForwardRow<T>& r,
               Index units, Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const Vec<T> reset =
        f.gate(load(r.gates + units + i) + load(r.product[1] + i));
    const Vec<T> state = reset * load(r.met + i);
    store<T>(r.reset + i, state);
    if (!r.save) return;
    store<T>(r.gates + units + i, reset);
    store<T>(r.carried + i, state);
  });
}

template <bool kUsual, typename T>
void gru_row(const Functions<kUsual, T>& f, const ForwardRow<T>& r, bool before,
             Index units, Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const Vec<T> z = f.gate(load(r.gates + i) + load(r.product[0] + i));
    Vec<T> inner = load(r.product[2] + i);
    if (!before) {
      const Vec<T> reset =
          f.gate(load(r.gates + units + i) + load(r.product[1] + i));
      if (r.bias != nullptr) inner = inner + load(r.bias + i);
      if (r.save) {
        store<T>(r.gates + units + i, reset);
        store<T>(r.carried + i, inner);
      }
      inner = reset * inner;
    }
    const Vec<T> value = f.value(load(r.gates + 2 * units + i) + inner);
    const Vec<T> old = load(r.h + i);
    const Vec<T> h = z * old + (T(1) - z) * value;
    store<T>(r.next + i, h);
    if (r.out != nullptr) store<T>(r.out + i, h);
    if (!r.save) return;
    store<T>(r.gates + i, z);
    store<T>(r.gates + 2 * units + i, value);
    store<T>(r.before + i, old);
  });
}

template <typename T>
struct BackwardRow {
  const T *gates, *before, *carried;  // what forward left
  const T* before_c;                  // or null: zeros
  const T* factor;  // of the thread, as the following; or null
  const T* grad_h;
  T *grad_c, *direct, *by_met;
  T* grad[4];  // by the products; kGru: 2 by h U, 3 by x W of the candidate
};

template <bool kUsual, typename T>
void lstm_gradients(const Functions<kUsual, T>& f, const BackwardRow<T>& r,
                    Index units, Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const Vec<T> in = load(r.gates + i);
    const Vec<T> forget = load(r.gates + units + i);
    const Vec<T> value = load(r.gates + 2 * units + i);
    const Vec<T> shown = load(r.gates + 3 * units + i);
    const Vec<T> c = f.value(load(r.carried + i));
    const Vec<T> old = r.before_c == nullptr ? Vec<T>{} : load(r.before_c + i);
    const Vec<T> by_h = load(r.grad_h + i);
    const Vec<T> by_c = load(r.grad_c + i) + by_h * shown * f.value_slope(c);
    store<T>(r.grad[0] + i, by_c * value * f.gate_slope(in));
    store<T>(r.grad[1] + i, by_c * old * f.gate_slope(forget));
    store<T>(r.grad[2] + i, by_c * in * f.value_slope(value));
    store<T>(r.grad[3] + i, by_h * c * f.gate_slope(shown));
    store<T>(r.grad_c + i, by_c * forget);
  });
}

template <bool kUsual, typename T>
void simple_gradients(const Functions<kUsual, T>& f, const BackwardRow<T>& r,
                      Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const Vec<T> slope = f.value_slope(load(r.gates + i));
    store<T>(r.grad[0] + i, load(r.grad_h + i) * slope);
  });
}

// The update gate and the candidate of a GRU; of kGru the reset gate, too.
template <bool kUsual, typename T>
void gru_gradients(const Functions<kUsual, T>& f, const BackwardRow<T>& r,
                   bool before, Index units, Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const Vec<T> z = load(r.gates + i);
    const Vec<T> value = load(r.gates + 2 * units + i);
    const Vec<T> by_h = load(r.grad_h + i);
    const Vec<T> old = load(r.before + i);
    store<T>(r.grad[0] + i, by_h * (old - value) * f.gate_slope(z));
    const Vec<T> by_value = by_h * (T(1) - z) * f.value_slope(value);
    store<T>(r.direct + i, by_h * z);
    if (before) return store<T>(r.grad[2] + i, by_value);
    store<T>(r.grad[3] + i, by_value);
    const Vec<T> reset = load(r.gates + units + i);
    const Vec<T> inner = load(r.carried + i);
    store<T>(r.grad[1] + i, by_value * inner * f.gate_slope(reset));
    const Vec<T> by_inner = by_value * reset;
    store<T>(r.grad[2] + i, by_inner);
  });
}

// Behind the product that gives the gradient by the reset state.
template <bool kUsual, typename T>
void reset_gradients(const Functions<kUsual, T>& f, const BackwardRow<T>& r,
                     Index units, Index count) {
  for_groups<T>(count, [=](Index i) __attribute__((always_inline)) {
    const Vec<T> reset = load(r.gates + units + i);
    Vec<T> by_met = load(r.by_met + i);
    Vec<T> met = load(r.before + i);
    if (r.factor != nullptr) met = met * load(r.factor + i);
    store<T>(r.grad[1] + i, by_met * met * f.gate_slope(reset));
    by_met = by_met * reset;
    if (r.factor != nullptr) by_met = by_met * load(r.factor + i);
    store<T>(r.direct + i, load(r.direct + i) + by_met);
  });
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
