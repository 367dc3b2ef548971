#pragma once

#include "math/elementary.h"
#include "math/macros.h"

namespace strop {

enum class PointwiseLoss {
  kMeanSquaredError,
  kMeanAbsoluteError,
  kBinaryCrossEntropy,  // `pred` holds logits
  kMeanAbsolutePercentageError,
  kMeanSquaredLogarithmicError,
  kHuber,
  kLogCosh,
  kPoisson,
  kHinge,
  kSquaredHinge,
  kKlDivergence,
};

// Whether a row's terms are added, not averaged.
STROP_HD bool adds_up(PointwiseLoss which) {
  return which == PointwiseLoss::kKlDivergence;
}

// One term of a loss and its derivative by the prediction. NaN stays NaN in
// both.
template <typename T>
struct LossTerm {
  T value;
  T slope;
};

// What keeps divisions and logarithms finite; Keras has the same.
template <typename T>
STROP_HD T loss_epsilon() {
  return T(1e-7);
}

template <typename T>
STROP_HD T sign_or_nan(T x) {
  return x > T(0) ? T(1) : x < T(0) ? T(-1) : x;
}

template <typename T>
STROP_HD LossTerm<T> squared_error(T pred, T target) {
  const T error = pred - target;
  return {error * error, T(2) * error};
}

// The derivative at 0 is 0.
template <typename T>
STROP_HD LossTerm<T> absolute_error(T pred, T target) {
  const T error = pred - target;
  return {absolute(error), sign_or_nan(error)};
}

template <typename T>
STROP_HD LossTerm<T> absolute_percentage_error(T pred, T target) {
  const T size = absolute(target);
  const T scale =
      T(100) / (size < loss_epsilon<T>() ? loss_epsilon<T>() : size);
  const T error = pred - target;
  return {absolute(error) * scale, sign_or_nan(error) * scale};
}

// (log(1 + p) - log(1 + y))^2, both cut from below; no slope beyond the cut.
template <typename T>
STROP_HD LossTerm<T> squared_logarithmic_error(T pred, T target) {
  const T epsilon = loss_epsilon<T>();
  const bool is_cut = pred < epsilon;
  const T p = is_cut ? epsilon : pred;
  const T y = target < epsilon ? epsilon : target;
  const T error = natural_logarithm_one_plus(p) - natural_logarithm_one_plus(y);
  return {error * error, is_cut ? T(0) : T(2) * error / (T(1) + p)};
}

// e^2 / 2 up to delta, then the tangent there.
template <typename T>
STROP_HD LossTerm<T> huber(T pred, T target, T delta) {
  const T error = pred - target;
  const T size = absolute(error);
  const T inside = size < delta ? size : delta;
  const T slope = error > delta ? delta : error < -delta ? -delta : error;
  return {inside * (size - T(0.5) * inside), slope};
}

template <typename T>
STROP_HD LossTerm<T> log_cosh(T pred, T target) {
  const T error = pred - target;
  return {logarithm_of_cosh(absolute(error)), hyperbolic_tangent(error)};
}

template <typename T>
STROP_HD LossTerm<T> poisson(T pred, T target) {
  const T p = pred + loss_epsilon<T>();
  return {pred - target * natural_logarithm(p), T(1) - target / p};
}

// Targets are -1 and 1.
template <typename T>
STROP_HD LossTerm<T> hinge(T pred, T target) {
  const T margin = T(1) - target * pred;
  return {margin < T(0) ? T(0) : margin, margin > T(0)    ? -target
                                         : margin <= T(0) ? T(0)
                                                          : margin};
}

template <typename T>
STROP_HD LossTerm<T> squared_hinge(T pred, T target) {
  const T value = hinge(pred, target).value;
  return {value * value, T(-2) * target * value};
}

// y log(y / p), both cut to [1e-7, 1]; no slope beyond the cut.
template <typename T>
STROP_HD LossTerm<T> kl_divergence(T pred, T target) {
  const T epsilon = loss_epsilon<T>();
  const T y = target < epsilon ? epsilon : target > T(1) ? T(1) : target;
  const T p = pred < epsilon ? epsilon : pred > T(1) ? T(1) : pred;
  const bool is_cut = pred < epsilon || pred > T(1);
  return {y * natural_logarithm(y / p), is_cut ? T(0) : -y / p};
}

// Binary cross-entropy of sigmoid(z): max(z, 0) - z y + log(1 + e^-|z|), which
// is finite for every finite z.
template <typename T>
STROP_HD LossTerm<T> binary_cross_entropy(T z, T target, T& probability) {
  probability = logistic(z);
  return {softplus(z) - z * target, probability - target};
}

template <PointwiseLoss L, typename T>
STROP_HD LossTerm<T> loss_term(T pred, T target, T delta, T& probability) {
  using Loss = PointwiseLoss;
  if constexpr (L == Loss::kMeanSquaredError) {
    return squared_error(pred, target);
  } else if constexpr (L == Loss::kMeanAbsoluteError) {
    return absolute_error(pred, target);
  } else if constexpr (L == Loss::kMeanAbsolutePercentageError) {
    return absolute_percentage_error(pred, target);
  } else if constexpr (L == Loss::kMeanSquaredLogarithmicError) {
    return squared_logarithmic_error(pred, target);
  } else if constexpr (L == Loss::kHuber) {
    return huber(pred, target, delta);
  } else if constexpr (L == Loss::kLogCosh) {
    return log_cosh(pred, target);
  } else if constexpr (L == Loss::kPoisson) {
    return poisson(pred, target);
  } else if constexpr (L == Loss::kHinge) {
    return hinge(pred, target);
  } else if constexpr (L == Loss::kSquaredHinge) {
    return squared_hinge(pred, target);
  } else if constexpr (L == Loss::kKlDivergence) {
    return kl_divergence(pred, target);
  } else {
    return binary_cross_entropy(pred, target, probability);
  }
}

}  // namespace strop
