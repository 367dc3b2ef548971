#include "kernels/batch_norm.h"

#include "native.h"

namespace strop::native {
namespace {

struct Sizes {
  Index outer, rows, channels, groups;
};

template <typename T>
struct Arrays {
  Sizes s;
  Guarded<T> x, out, grad, grad_x, gamma, beta, by_gamma, by_beta;
  Guarded<bool> mask;
  Guarded<double> mean, variance, workspace;

  Arrays(const Sizes& s, bool masked)
      : s(s),
        x(s.outer * s.rows * s.channels),
        out(x.size()),
        grad(x.size()),
        grad_x(x.size()),
        gamma(s.channels),
        beta(s.channels),
        by_gamma(s.channels),
        by_beta(s.channels),
        mask(s.outer * s.rows),
        mean(s.outer * s.groups),
        variance(mean.size()),
        workspace(s.outer * batch_norm_workspace(s.rows, s.channels, masked)) {
    x.random(-2, 4);
    grad.random();
    gamma.random();
    beta.random();
    for (Index i = 0; i < mask.size(); ++i) {
      mask[i] = !masked || i % s.rows == 0 || random_number() > -0.4;
    }
  }
};

template <typename T>
void on(const Sizes& s, bool masked = false) {
  Arrays<T> a(s, masked);
  const double epsilon = 1e-3;
  const bool* mask = masked ? a.mask.data() : nullptr;
  backend::batch_norm(
      BatchNorm<T>{a.x.data(), a.gamma.data(), a.beta.data(), mask,
                   a.out.data(), a.mean.data(), a.variance.data(),
                   a.workspace.data(), s.outer, s.rows, s.channels, s.groups,
                   epsilon},
      {});
  backend::batch_norm_backward(
      BatchNormBackward<T>{a.grad.data(), a.x.data(), a.gamma.data(), mask,
                           a.mean.data(), a.variance.data(), a.grad_x.data(),
                           a.by_gamma.data(), a.by_beta.data(),
                           a.workspace.data(), s.outer, s.rows, s.channels,
                           s.groups, epsilon},
      {});
  const Index each = s.groups == 0 ? 0 : s.channels / s.groups;
  for (Index o = 0; o < s.outer; ++o) {
    for (Index g = 0; g < s.groups; ++g) {
      double sum = 0, square = 0, own = 0, product = 0, count = 0;
      const auto over = [&](const auto& body) {
        for (Index r = 0; r < s.rows; ++r) {
          for (Index c = g * each; c < (g + 1) * each; ++c) {
            body((o * s.rows + r) * s.channels + c, c, a.mask[o * s.rows + r]);
          }
        }
      };
      over([&](Index i, Index, bool counts) {
        if (!counts) return;
        sum += double(a.x[i]);
        ++count;
      });
      const double middle = count == 0 ? 0 : sum / count;
      over([&](Index i, Index, bool counts) {
        const double apart = double(a.x[i]) - middle;
        if (counts) square += apart * apart;
      });
      const double inverse =
          1 / std::sqrt((count == 0 ? 0 : square / count) + epsilon);
      over([&](Index i, Index c, bool) {
        const double slope = double(a.grad[i]) * double(a.gamma[c]);
        own += slope;
        product += slope * (double(a.x[i]) - middle) * inverse;
      });
      over([&](Index i, Index c, bool counts) {
        const double scaled = (double(a.x[i]) - middle) * inverse;
        const double gamma = double(a.gamma[c]);
        near("out", i, a.out[i], scaled * gamma + double(a.beta[c]),
             4 + 3 * inverse);
        const double through = counts ? (own + product * scaled) / count : 0;
        near("grad_x", i, a.grad_x[i],
             inverse * (double(a.grad[i]) * gamma - through),
             32 * inverse * (1 + inverse));
      });
    }
  }
  Guarded<T> mean(s.channels), variance(s.channels);
  mean.random();
  variance.random(0.1, 2);
  a.out.recorded();
  a.grad_x.recorded();
  a.by_gamma.recorded();
  a.by_beta.recorded();
  if (s.outer == 0) return;
  Guarded<double> workspace(batch_norm_workspace(s.rows, s.channels, false));
  backend::batch_norm_inference(
      BatchNormInference<T>{a.x.data(), mean.data(), variance.data(),
                            a.gamma.data(), a.beta.data(), a.out.data(),
                            workspace.data(), s.rows, s.channels, epsilon},
      {});
  for (Index i = 0; i < s.rows * s.channels; ++i) {
    const Index c = i % s.channels;
    near("inferred", i, a.out[i],
         (double(a.x[i]) - double(mean[c])) /
                 std::sqrt(double(variance[c]) + epsilon) * double(a.gamma[c]) +
             double(a.beta[c]),
         20);
  }
}

}  // namespace

void test_batch_norm() {
  for (const Index c :
       {0, 1, 3, 8, 15, 16, 17, 33, 64, 100, 256, 257, 511, 512, 513, 2049}) {
    on<float>({1, 3, c, c});
    on<float>({1, 70, c, c});
    on<double>({1, 33, c, c}, true);
  }
  on<float>({1, 0, 5, 5});
  on<float>({0, 5, 6, 3});
  on<float>({1, 9001, 7, 7});
  on<double>({1, 2000, 32, 32});
  on<float>({1, 3000, 20, 20}, true);
  on<float>({3, 50, 24, 6});
  on<float>({9, 60, 32, 8});
  on<double>({5, 3, 520, 4});
}

}  // namespace strop::native
