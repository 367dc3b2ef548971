#pragma once

#include "math/elementary.h"
#include "math/macros.h"

namespace strop {

// Up to three settings of an activation, in the order of its Python signature.
template <typename T>
struct ActivationSettings {
  T first;
  T second;
  T third;
};

enum class Activation {
  kLinear,
  kRelu,  // negative_slope, max_value, threshold
  kSigmoid,
  kTanh,
  kElu,  // alpha
  kExponential,
  kGelu,
  kGeluTanh,
  kHardSigmoid,
  kLeakyRelu,  // negative_slope
  kMish,
  kSelu,
  kSilu,
  kSoftplus,
  kSoftsign,
};

// Klambauer et al. 2017, equations 14.
inline constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
inline constexpr double kSeluScale = 1.0507009873554804934193349852946;
inline constexpr double kRootTwoOverPi = 0.79788456080286535587989211986876;

// Those of two words: the kernel also takes them on vectors.
template <typename F>
STROP_HD F gelu(F x) {
  F density;
  return x * normal_distribution(x, density);
}

template <typename F>
STROP_HD F gelu_slope(F x) {
  F density;
  const F below = normal_distribution(x, density);
  return below + x * density;
}

template <typename F>
STROP_HD F silu(F x) {
  return x * logistic(x);
}

template <typename F>
STROP_HD F silu_slope(F x, F y) {
  const F p = logistic(x);
  return p + y * (1.0f - p);
}

// A NaN must come out as NaN: every comparison is written so that it is false
// for NaN and then lets it pass.
template <Activation A, typename T>
STROP_HD T activate(T x, const ActivationSettings<T>& s) {
  switch (A) {
    case Activation::kLinear:
      return x;
    case Activation::kRelu: {
      // A slope of 0 times -infinity would be NaN, and times -1 would be -0.
      const T flat = x == x ? T(0) : x;
      const T below = s.first == T(0) ? flat : s.first * (x - s.third);
      const T y = x >= s.third ? x : below;
      return y > s.second ? s.second : y;
    }
    case Activation::kSigmoid:
      return logistic(x);
    case Activation::kTanh:
      return hyperbolic_tangent(x);
    case Activation::kElu:
      return x > T(0) ? x : s.first * (exponential(x) - T(1));
    case Activation::kExponential:
      return exponential(x);
    case Activation::kGelu:
      return gelu(x);
    case Activation::kGeluTanh: {
      const T inner = T(kRootTwoOverPi) * (x + T(0.044715) * x * x * x);
      return T(0.5) * x * (T(1) + hyperbolic_tangent(inner));
    }
    case Activation::kHardSigmoid: {
      const T y = x / T(6) + T(0.5);
      return y < T(0) ? T(0) : y > T(1) ? T(1) : y;
    }
    case Activation::kLeakyRelu:
      return x > T(0) ? x : s.first * x;
    case Activation::kMish:
      return x * hyperbolic_tangent(softplus(x));
    case Activation::kSelu:
      return T(kSeluScale) *
             (x > T(0) ? x : T(kSeluAlpha) * (exponential(x) - T(1)));
    case Activation::kSilu:
      return silu(x);
    case Activation::kSoftplus:
      return softplus(x);
    case Activation::kSoftsign:
      return x / (T(1) + absolute(x));
  }
  return x;
}

// dy/dx at x, where y = activate(x). The derivative of relu at its threshold
// and of leaky_relu at 0 is that of the left side, as in Keras.
template <Activation A, typename T>
STROP_HD T slope(T x, T y, const ActivationSettings<T>& s) {
  switch (A) {
    case Activation::kLinear:
      return T(1);
    case Activation::kRelu:
      return x >= s.second ? T(0) : x > s.third ? T(1) : s.first;
    case Activation::kSigmoid:
      return y * (T(1) - y);
    case Activation::kTanh:
      return T(1) - y * y;
    case Activation::kElu:
      return x > T(0) ? T(1) : y + s.first;
    case Activation::kExponential:
      return y;
    case Activation::kGelu:
      return gelu_slope(x);
    case Activation::kGeluTanh: {
      const T inner = T(kRootTwoOverPi) * (x + T(0.044715) * x * x * x);
      const T t = hyperbolic_tangent(inner);
      const T inner_slope = T(kRootTwoOverPi) * (T(1) + T(0.134145) * x * x);
      return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * inner_slope;
    }
    case Activation::kHardSigmoid:
      return absolute(x) < T(3) ? T(1) / T(6) : T(0);
    case Activation::kLeakyRelu:
      return x > T(0) ? T(1) : s.first;
    case Activation::kMish: {
      const T t = hyperbolic_tangent(softplus(x));
      return t + x * (T(1) - t * t) * logistic(x);
    }
    case Activation::kSelu:
      return x > T(0) ? T(kSeluScale) : y + T(kSeluScale * kSeluAlpha);
    case Activation::kSilu:
      return silu_slope(x, y);
    case Activation::kSoftplus:
      return logistic(x);
    case Activation::kSoftsign: {
      const T d = T(1) + absolute(x);
      return T(1) / (d * d);
    }
  }
  return T(1);
}

}  // namespace strop
