#pragma once

#include "math/elementary.h"
#include "math/macros.h"

namespace strop {

// One term of a loss and its derivative by the prediction.
template <typename T>
struct LossTerm {
  T value;
  T slope;
};

template <typename T>
STROP_HD LossTerm<T> squared_error(T pred, T target) {
  const T error = pred - target;
  return {error * error, T(2) * error};
}

// The derivative at 0 is 0; NaN stays NaN.
template <typename T>
STROP_HD LossTerm<T> absolute_error(T pred, T target) {
  const T error = pred - target;
  const T sign = error > T(0) ? T(1) : error < T(0) ? T(-1) : error;
  return {absolute(error), sign};
}

// Binary cross-entropy of sigmoid(z): max(z, 0) - z y + log(1 + e^-|z|), which
// is finite for every finite z.
template <typename T>
STROP_HD LossTerm<T> binary_cross_entropy(T z, T target, T& probability) {
  probability = logistic(z);
  return {softplus(z) - z * target, probability - target};
}

}  // namespace strop
