#include "kernels/loss.h"

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
void on(Index rows, Index width, bool weighted) {
  const Index n = rows * width;
  Guarded<T> pred(n), target(n), weight(rows), grad(n), probabilities(n);
  Guarded<double> partials(kHeader + (n + kLossChunk - 1) / kLossChunk);
  Guarded<double> mean(1);
  pred.random(-3, 3);
  target.random(0, 1);
  weight.random(0, 2);
  for (const PointwiseLoss which :
       {PointwiseLoss::kMeanSquaredError, PointwiseLoss::kMeanAbsoluteError,
        PointwiseLoss::kBinaryCrossEntropy}) {
    const bool logits = which == PointwiseLoss::kBinaryCrossEntropy;
    backend::pointwise_loss(
        PointwiseLossArgs<T>{pred.data(), target.data(),
                             weighted ? weight.data() : nullptr, grad.data(),
                             logits ? probabilities.data() : nullptr,
                             partials.data(), rows, width, which, mean.data()},
        {});
    long double sum = 0, want = 0;  // of 300,000 terms
    for (Index i = kHeader; i < partials.size(); ++i) sum += partials[i];
    if (STROP_SIMT) near("mean", 0, mean[0], double(sum / n), 1, 100);
    for (Index i = 0; i < n; ++i) {
      const double x = double(pred[i]), y = double(target[i]);
      const double share = weighted ? double(weight[i / width]) : 1;
      const double p = 1 / (1 + std::exp(-x));
      double value = (x - y) * (x - y), slope = 2 * (x - y);
      if (which == PointwiseLoss::kMeanAbsoluteError) {
        value = std::fabs(x - y);
        slope = x > y ? 1 : x < y ? -1 : 0;
      } else if (logits) {
        value = (x > 0 ? x : 0) - x * y + std::log1p(std::exp(-std::fabs(x)));
        slope = p - y;
        near("probabilities", i, probabilities[i], p, 1);
      }
      want += share * value;
      near("grad", i, grad[i], share * slope / double(n), 10 / double(n));
    }
    near("loss", 0, T(sum), double(want), double(want) + 1, 100);
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
