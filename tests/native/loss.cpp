#include "kernels/loss.h"

#include "native.h"

namespace strop::native {
namespace {

// A term and its slope in double.
LossTerm<double> want_of(PointwiseLoss which, double x, double y,
                         double delta) {
  using Loss = PointwiseLoss;
  const double error = x - y, size = std::fabs(error), tiny = 1e-7;
  const double sign = error > 0 ? 1 : error < 0 ? -1 : 0;
  switch (which) {
    case Loss::kMeanSquaredError:
      return {error * error, 2 * error};
    case Loss::kMeanAbsoluteError:
      return {size, sign};
    case Loss::kBinaryCrossEntropy:
      return {(x > 0 ? x : 0) - x * y + std::log1p(std::exp(-std::fabs(x))),
              1 / (1 + std::exp(-x)) - y};
    case Loss::kMeanAbsolutePercentageError: {
      const double scale = 100 / std::fmax(std::fabs(y), tiny);
      return {size * scale, sign * scale};
    }
    case Loss::kMeanSquaredLogarithmicError: {
      const double d =
          std::log1p(std::fmax(x, tiny)) - std::log1p(std::fmax(y, tiny));
      return {d * d, x < tiny ? 0 : 2 * d / (1 + x)};
    }
    case Loss::kHuber:
      return size <= delta
                 ? LossTerm<double>{error * error / 2, error}
                 : LossTerm<double>{delta * (size - delta / 2), sign * delta};
    case Loss::kLogCosh:
      return {std::log(std::cosh(error)), std::tanh(error)};
    case Loss::kPoisson:
      return {x - y * std::log(x + tiny), 1 - y / (x + tiny)};
    case Loss::kHinge:
      return {std::fmax(1 - x * y, 0), 1 - x * y > 0 ? -y : 0};
    case Loss::kSquaredHinge: {
      const double margin = std::fmax(1 - x * y, 0);
      return {margin * margin, -2 * y * margin};
    }
    case Loss::kKlDivergence: {
      const double p = std::fmin(std::fmax(x, tiny), 1);
      return {y * std::log(y / p), x < tiny || x > 1 ? 0 : -y / x};
    }
  }
  return {0, 0};
}

template <typename T>
void on(Index rows, Index width, bool weighted) {
  const Index n = rows * width;
  Guarded<T> pred(n), target(n), weight(rows), grad(n), probabilities(n);
  Guarded<double> partials(kHeader + (n + kLossChunk - 1) / kLossChunk);
  Guarded<double> mean(1);
  target.random(0.1, 1);
  weight.random(0, 2);
  for (int k = 0; k <= int(PointwiseLoss::kKlDivergence); ++k) {
    const auto which = PointwiseLoss(k);
    const bool logits = which == PointwiseLoss::kBinaryCrossEntropy;
    pred.random(which == PointwiseLoss::kPoisson ? 0.1 : -3, 3);
    const T delta = T(0.7);
    backend::pointwise_loss(
        PointwiseLossArgs<T>{
            pred.data(), target.data(), weighted ? weight.data() : nullptr,
            grad.data(), logits ? probabilities.data() : nullptr,
            partials.data(), rows, width, which, delta, mean.data()},
        {});
    const double count = double(adds_up(which) ? rows : n);
    long double sum = 0, want = 0;  // of 300,000 terms
    for (Index i = kHeader; i < partials.size(); ++i) sum += partials[i];
    if (STROP_SIMT) {
      near("mean", 0, mean[0], double(sum) / count,
           1 + std::fabs(double(sum)) / count, 100);
    }
    for (Index i = 0; i < n; ++i) {
      const double x = double(pred[i]), y = double(target[i]);
      const double share = weighted ? double(weight[i / width]) : 1;
      const LossTerm<double> term = want_of(which, x, y, double(delta));
      if (logits) {
        near("probabilities", i, probabilities[i], 1 / (1 + std::exp(-x)), 1);
      }
      want += share * term.value;
      near("grad", i, grad[i], share * term.slope / count,
           (10 + 2 * std::fabs(term.slope)) / count);
    }
    near("loss", 0, T(sum), double(want), std::fabs(double(want)) + 1, 100);
    grad.recorded();
    if (STROP_SIMT) mean.recorded();
    if (!STROP_SIMT) partials.recorded();
  }
}

}  // namespace

void test_loss() {
  for (const Index n : {1, 3, 15, 16, 17, 33, 511, 512, 513, 4097}) {
    on<float>(n, 1, false);
    on<double>(3, n, true);
  }
  on<float>(limited(20'001, 701), 15, true);
  on<double>(limited(300'001), 1, false);
}

}  // namespace strop::native
