#include "kernels/matmul.h"

#include "native.h"

namespace strop::native {
namespace {

double activated(Activation which, double x) {
  switch (which) {
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    default:
      return x;
  }
}

template <typename Args>
void run(Args args, void (*kernel)(const Args&, Stream)) {
#if STROP_SIMT
  Guarded<double> workspace(backend::matmul_workspace(args));
  workspace.fill(NAN);
  args.workspace = workspace.data();
#endif
  kernel(args, {});
}

template <typename T>
void product(Index m, Index n, Index k, bool transpose_a, bool transpose_b,
             Activation activation, bool with_bias, bool compare) {
  Guarded<T> a(m * k), b(k * n), bias(n), out(m * n);
  a.random();
  b.random();
  bias.random();
  out.fill(T(NAN));
  run(Matmul<T>{a.data(), b.data(), with_bias ? bias.data() : nullptr,
                out.data(), m, n, k, transpose_a, transpose_b, activation},
      backend::matmul);
  for (Index i = 0; compare && i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = with_bias ? double(bias[j]) : 0;
      double terms = 1;
      for (Index l = 0; l < k; ++l) {
        const double term = double(a[transpose_a ? l * m + i : i * k + l]) *
                            double(b[transpose_b ? j * k + l : l * n + j]);
        sum += term;
        terms += std::fabs(term);
      }
      near("out", i * n + j, out[i * n + j], activated(activation, sum), terms,
           4 + double(k) / 8);
    }
  }
  out.recorded();
}

// grad_a = dz b^T, grad_b = a^T dz, grad_bias = the column sums of dz.
template <typename T>
void backward(Index m, Index n, Index k, Activation activation, bool compare) {
  Guarded<T> grad(m * n), a(m * k), b(k * n), output(m * n), grad_a(m * k),
      grad_b(k * n), grad_bias(n);
  grad.random();
  a.random();
  b.random();
  output.random(0.1, 0.9);
  const bool linear = activation == Activation::kLinear;
  grad_a.fill(T(NAN));
  grad_b.fill(T(NAN));
  grad_bias.fill(T(NAN));
  run(MatmulBackward<T>{grad.data(), a.data(), b.data(),
                        linear ? nullptr : output.data(), grad_a.data(),
                        grad_b.data(), grad_bias.data(), m, n, k, activation},
      backend::matmul_backward);
  const auto dz = [&](Index i) {
    const double y = double(output[i]);
    const double slope = activation == Activation::kSigmoid ? y * (1 - y)
                         : activation == Activation::kTanh  ? 1 - y * y
                                                            : 1.0;
    return double(grad[i]) * slope;
  };
  for (Index j = 0; compare && j < n; ++j) {
    double sum = 0;
    for (Index i = 0; i < m; ++i) sum += dz(i * n + j);
    near("grad_bias", j, grad_bias[j], sum, double(m) + 1);
    for (Index l = 0; l < k; ++l) {
      double product = 0;
      for (Index i = 0; i < m; ++i) {
        product += dz(i * n + j) * double(a[i * k + l]);
      }
      near("grad_b", l * n + j, grad_b[l * n + j], product, double(m) + 1);
    }
  }
  for (Index i = 0; compare && i < m; ++i) {
    for (Index l = 0; l < k; ++l) {
      double product = 0;
      for (Index j = 0; j < n; ++j) {
        product += dz(i * n + j) * double(b[l * n + j]);
      }
      near("grad_a", i * k + l, grad_a[i * k + l], product, double(n) + 1);
    }
  }
  grad_a.recorded();
  grad_b.recorded();
  grad_bias.recorded();
}

template <typename T>
void every_way(Index m, Index n, Index k, bool compare) {
  for (int way = 0; way < 4; ++way) {
    product<T>(m, n, k, way & 1, way & 2, Activation::kLinear, false, compare);
  }
  for (const Activation which :
       {Activation::kRelu, Activation::kSigmoid, Activation::kTanh}) {
    product<T>(m, n, k, false, false, which, true, compare);
    backward<T>(m, n, k, which, compare);
  }
  backward<T>(m, n, k, Activation::kLinear, compare);
}

}  // namespace

void test_matmul() {
#if STROP_SIMT
  // A fibre per CUDA thread takes its time: the edges of packs, of tiles and of
  // parts alone. Row by row, then by tiles (a transposed, or many columns).
  for (const Index s : {0, 1, 4, 17, 33}) {
    every_way<float>(s, 5, 7, true);
    every_way<float>(6, s, 9, true);
  }
  every_way<double>(6, 33, 9, true);
  every_way<double>(9, 6, 18, true);
  product<float>(66, 70, 20, true, false, Activation::kRelu, true, true);
  product<float>(5, 7, 300, true, true, Activation::kTanh, true, true);
  product<double>(5, 7, 300, true, false, Activation::kSigmoid, true, true);
  backward<float>(300, 3, 5, Activation::kTanh, true);
  backward<double>(300, 3, 5, Activation::kLinear, true);
  backward<float>(300, 130, 3, Activation::kRelu, true);
  backward<double>(3, 130, 3, Activation::kTanh, true);
#else
  for (const Index s :
       {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 47, 48, 49, 65}) {
    every_way<float>(s, 5, 7, true);
    every_way<float>(6, s, 9, true);
    every_way<double>(6, s, 9, true);
    every_way<double>(9, 6, s, true);
  }
  every_way<float>(65, 97, 400, true);
  every_way<double>(33, 65, 300, true);
  // Packed, several blocks of K, shared by the threads: their bits alone.
  every_way<float>(201, 310, 401, false);
  every_way<double>(130, 257, 385, false);
  every_way<float>(700, 3, 900, false);
  every_way<float>(1, 3001, 700, false);
#endif
}

}  // namespace strop::native
