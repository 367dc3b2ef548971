#include "native.h"

namespace strop::native {
namespace {

// Forward and backward, plain and logarithmic.
template <typename T>
void rows(Index count, Index classes) {
  const Index n = count * classes;
  Guarded<T> x(n), out(n), grad(n), grad_x(n);
  x.random(-5, 5);
  grad.random();
  for (const bool log : {false, true}) {
    backend::softmax_forward(
        SoftmaxForward<T>{x.data(), out.data(), count, classes, log}, {});
    backend::softmax_backward(
        SoftmaxBackward<T>{grad.data(), out.data(), grad_x.data(), count,
                           classes, log},
        {});
    for (Index r = 0; r < count; ++r) {
      double sum = 0, slopes = 0;
      for (Index c = 0; c < classes; ++c) {
        sum += std::exp(double(x[r * classes + c]));
      }
      for (Index c = 0; c < classes; ++c) {
        const Index i = r * classes + c;
        const double p = std::exp(double(x[i])) / sum;
        near("out", i, out[i], log ? std::log(p) : p, log ? 20 : 1);
        slopes += double(grad_x[i]);
      }
      // An offset of all logits changes nothing.
      near("slopes", r, T(slopes), 0, double(classes) + 1);
    }
    out.recorded();
    grad_x.recorded();
  }
}

template <typename T, typename Id>
void cross_entropy(Index count, Index classes, bool labels, bool weighted) {
  const Index n = count * classes;
  Guarded<T> logits(n), target(labels ? 0 : n), weight(count), grad(n),
      probabilities(n);
  Guarded<Id> label(count);
#if STROP_SIMT
  Guarded<double> partials(kHeader + cuda::loss_parts(count, classes));
#else
  Guarded<double> partials((count + kSoftmaxChunk - 1) / kSoftmaxChunk);
#endif
  Guarded<double> value(1);
  logits.random(-5, 5);
  if (!labels) target.fill(T(1.0 / double(classes)));
  weight.random(0, 2);
  random_ids(label, classes);
  const double smoothing = 0.125;
  backend::softmax_cross_entropy(
      SoftmaxCrossEntropy<T>{logits.data(), labels ? nullptr : target.data(),
                             labels ? ids_of(label) : Ids{nullptr, 0, false},
                             weighted ? weight.data() : nullptr, grad.data(),
                             probabilities.data(), partials.data(), count,
                             classes, 1.0, smoothing, false, 0, value.data()},
      {});
  double want = 0, got = 0;
  for (Index i = kHeader; i < partials.size(); ++i) got += partials[i];
  if (STROP_SIMT) near("value", 0, value[0], got, std::fabs(got) + 1, 100);
  for (Index r = 0; r < count; ++r) {
    const T* z = logits.data() + r * classes;
    double sum = 0;
    for (Index c = 0; c < classes; ++c) sum += std::exp(double(z[c]));
    const double share = weighted ? double(weight[r]) : 1;
    for (Index c = 0; c < classes; ++c) {
      const double hard =
          labels ? double(Index(label[r]) == c) : 1 / double(classes);
      const double q = (1 - smoothing) * hard + smoothing / double(classes);
      const double p = std::exp(double(z[c])) / sum;
      want -= share * q * std::log(p);
      const Index i = r * classes + c;
      near("grad", i, grad[i], share * (p - q), 4);
      near("probabilities", i, probabilities[i], p, 1);
    }
  }
  near("loss", 0, T(got), want, want + 1, 100);
  grad.recorded();
  if (!STROP_SIMT) partials.recorded();
}

}  // namespace

void test_softmax() {
  for (const Index c : {1, 2, 3, 15, 16, 17, 33, 255, 256, 257, 5000}) {
    rows<float>(3, c);
    rows<double>(3, c);
    cross_entropy<float, std::int32_t>(c > 1000 ? limited(65, 9) : 65, c, true,
                                       false);
    cross_entropy<double, std::int64_t>(5, c, false, true);
  }
  rows<float>(limited(3001, 131), 100);
  cross_entropy<float, std::int64_t>(limited(3001, 131), 100, true, true);
}

}  // namespace strop::native
