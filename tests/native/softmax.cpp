#include "kernels/softmax.h"

#include "native.h"
#if STROP_SIMT
#include "simt.h"
#endif

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
  Guarded<double> partials(kHeader +
                           cuda::loss_parts(count, classes, sizeof(T) == 8));
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

#if STROP_SIMT
// Rows too long for a device's shared memory are read again, and have the same
// bits; so has a gradient that takes the place of the logits.
void same_bits(Index count, Index classes) {
  const Index n = count * classes;
  Guarded<float> x(n), grad(n), out(n);
  Guarded<std::int32_t> label(count);
  Guarded<double> partials(kHeader + cuda::loss_parts(count, classes, false));
  x.random(-5, 5);
  random_ids(label, classes);
  for (Index r = 0; r < count; ++r) x[r * classes + r] = -INFINITY;
  const auto bits = [](const Guarded<float>& a) {
    return std::string(reinterpret_cast<const char*>(a.data()),
                       std::size_t(a.size()) * sizeof(float));
  };
  const auto all = [&](float* to) {
    std::string text;
    for (const bool log : {false, true}) {
      cuda::softmax_forward({x.data(), out.data(), count, classes, log}, {});
      text += bits(out);
    }
    double value = 0;
    cuda::softmax_cross_entropy(
        SoftmaxCrossEntropy<float>{x.data(), nullptr, ids_of(label), nullptr,
                                   to, nullptr, partials.data(), count, classes,
                                   1.0, 0, false, 0, &value},
        {});
    return text + std::to_string(value);
  };
  const std::string want = all(grad.data());
  const std::size_t most = simt::most_shared;
  simt::most_shared = 64 * 1024;
  STROP_CHECK(all(grad.data()) == want, "of another device, C = %d",
              int(classes));
  simt::most_shared = most;
  STROP_CHECK(all(x.data()) == want && bits(x) == bits(grad), "in place");
}
#endif

}  // namespace

void test_softmax() {
#if STROP_SIMT
  for (const Index c : {3, 700, 1025, 8193, 57'345}) same_bits(2, c);
#endif
  for (const Index c : {1, 2, 3, 15, 16, 17, 31, 32, 33, 255, 256, 257, 513,
                        1023, 1024, 1025, 5000}) {
    rows<float>(3, c);
    rows<double>(3, c);
    cross_entropy<float, std::int32_t>(c > 300 ? limited(65, 9) : 65, c, true,
                                       false);
    cross_entropy<double, std::int64_t>(5, c, false, true);
  }
  rows<float>(limited(3001, 131), 100);
  cross_entropy<float, std::int64_t>(limited(3001, 131), 100, true, true);
}

}  // namespace strop::native
