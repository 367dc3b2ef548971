#include "kernels/layer_norm.h"

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
void on(Index rows, Index width, bool plain) {
  const Index n = rows * width;
  Guarded<T> x(n), out(n), grad(n), grad_x(n);
  Guarded<T> gamma(width), beta(width), by_gamma(width), by_beta(width);
  Guarded<double> mean(rows), variance(rows),
      workspace(layer_norm_workspace(rows, width));
  x.random(-2, 4);
  grad.random();
  gamma.random();
  beta.random();
  const double epsilon = 1e-3;
  backend::layer_norm(
      LayerNorm<T>{x.data(), plain ? nullptr : gamma.data(),
                   plain ? nullptr : beta.data(), out.data(), mean.data(),
                   variance.data(), rows, width, epsilon},
      {});
  backend::layer_norm_backward(
      LayerNormBackward<T>{
          grad.data(), x.data(), plain ? nullptr : gamma.data(), mean.data(),
          variance.data(), grad_x.data(), by_gamma.data(), by_beta.data(),
          workspace.data(), rows, width, epsilon},
      {});
  std::vector<double> gammas(std::size_t(width), 0.0);
  for (Index r = 0; r < rows; ++r) {
    double sum = 0, square = 0, own = 0, product = 0;
    for (Index c = 0; c < width; ++c) sum += double(x[r * width + c]);
    const double middle = width == 0 ? 0 : sum / double(width);
    for (Index c = 0; c < width; ++c) {
      const double apart = double(x[r * width + c]) - middle;
      square += apart * apart;
    }
    const double inverse =
        1 / std::sqrt((width == 0 ? 0 : square / double(width)) + epsilon);
    const auto scaled = [&](Index c) {
      return (double(x[r * width + c]) - middle) * inverse;
    };
    const auto weight = [&](Index c) { return plain ? 1 : double(gamma[c]); };
    for (Index c = 0; c < width; ++c) {
      own += double(grad[r * width + c]) * weight(c);
      product += double(grad[r * width + c]) * weight(c) * scaled(c);
    }
    for (Index c = 0; c < width; ++c) {
      const Index i = r * width + c;
      near("out", i, out[i],
           scaled(c) * weight(c) + (plain ? 0 : double(beta[c])), 6);
      near("grad_x", i, grad_x[i],
           inverse * (double(grad[i]) * weight(c) -
                      (own + product * scaled(c)) / double(width)),
           32 * inverse);
      gammas[std::size_t(c)] += double(grad[i]) * scaled(c);
    }
  }
  for (Index c = 0; c < width; ++c) {
    near("grad_gamma", c, by_gamma[c], gammas[std::size_t(c)],
         4 * double(rows));
  }
  out.recorded();
  grad_x.recorded();
  by_gamma.recorded();
  by_beta.recorded();
  mean.recorded();
  variance.recorded();
}

}  // namespace

void test_layer_norm() {
  for (const Index width : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64,
                            255, 1000, 4095, 4096, 4097}) {
    on<float>(5, width, false);
    on<double>(3, width, false);
  }
  on<float>(0, 7, false);
  on<float>(66, 20, true);
  on<double>(9000, 5, false);
  on<float>(700, 300, false);
}

}  // namespace strop::native
