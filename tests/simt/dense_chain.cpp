// Dense layers and their loss in one kernel, against the sums in double.

#include "cuda/dense_chain.h"

#include <memory>

#include "kernels/loss.h"
#include "native.h"

namespace strop::native {
namespace {

double activated(Activation which, double x) {
  switch (which) {
    case Activation::kRelu:
      return x < 0 ? 0 : x;
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    default:
      return x;
  }
}

double slope(Activation which, double y) {
  switch (which) {
    case Activation::kRelu:
      return y > 0;
    case Activation::kSigmoid:
      return y * (1 - y);
    case Activation::kTanh:
      return 1 - y * y;
    default:
      return 1;
  }
}

template <typename T>
struct Layer {
  Guarded<T> kernel, bias, grad_kernel, grad_bias;
  int inputs, outputs;
  Activation which;
  std::vector<double> in, slopes;  // of the test's own pass

  Layer(int inputs, int outputs, Activation which)
      : kernel(inputs * outputs),
        bias(outputs),
        grad_kernel(inputs * outputs),
        grad_bias(outputs),
        inputs(inputs),
        outputs(outputs),
        which(which) {
    kernel.random();
    bias.random();
  }
};

double loss_term(PointwiseLoss loss, double y, double target, double& slope) {
  if (loss == PointwiseLoss::kMeanSquaredError) {
    slope = 2 * (y - target);
    return (y - target) * (y - target);
  }
  if (loss == PointwiseLoss::kMeanAbsoluteError) {
    slope = y > target ? 1 : -1;
    return std::fabs(y - target);
  }
  slope = 1 / (1 + std::exp(-y)) - target;
  return (y > 0 ? y : 0) - y * target + std::log1p(std::exp(-std::fabs(y)));
}

template <typename T>
void on(Index rows, const std::vector<int>& widths, PointwiseLoss loss,
        bool biased, bool weighted, bool need_x) {
  const Activation cycle[] = {Activation::kRelu, Activation::kTanh,
                              Activation::kSigmoid};
  std::vector<std::unique_ptr<Layer<T>>> layers;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    const bool last = l + 2 == widths.size();
    layers.push_back(std::make_unique<Layer<T>>(
        widths[l], widths[l + 1], last ? Activation::kLinear : cycle[l % 3]));
  }
  const Index first = widths.front(), last = widths.back();
  Guarded<T> x(rows * first), target(rows * last), weight(rows);
  Guarded<T> output(rows * last), grad_x(rows * first);
  Guarded<double> value(1);
  x.random();
  target.random(0, 1);
  weight.random(0, 2);
  cuda::DenseChain<T> a{};
  a.count = int(layers.size());
  for (int l = 0; l < a.count; ++l) {
    const Layer<T>& layer = *layers[l];
    a.layers[l] = {layer.kernel.data(),
                   biased ? layer.bias.data() : nullptr,
                   layer.grad_kernel.data(),
                   biased ? layer.grad_bias.data() : nullptr,
                   layer.inputs,
                   layer.outputs,
                   layer.which};
  }
  a.loss = loss;
  a.rows = rows;
  a.x = x.data();
  a.target = target.data();
  a.weight = weighted ? weight.data() : nullptr;
  a.output = output.data();
  a.grad_x = need_x ? grad_x.data() : nullptr;
  a.value = value.data();
  Guarded<double> workspace(cuda::chain_workspace(a));
  a.workspace = workspace.data();
  cuda::dense_chain(a, {});

  std::vector<double> values = x.copy();
  for (auto& layer : layers) {
    layer->in = values;
    values.assign(std::size_t(rows * layer->outputs), 0);
    for (Index i = 0; i < rows; ++i) {
      for (Index n = 0; n < layer->outputs; ++n) {
        double sum = biased ? double(layer->bias[n]) : 0;
        for (Index k = 0; k < layer->inputs; ++k) {
          sum += layer->in[i * layer->inputs + k] *
                 double(layer->kernel[k * layer->outputs + n]);
        }
        values[i * layer->outputs + n] = activated(layer->which, sum);
      }
    }
  }
  double want = 0;
  std::vector<double> slopes(values.size());
  for (Index e = 0; e < Index(values.size()); ++e) {
    near("output", e, output[e], values[e], 20);
    const double share = weighted ? double(weight[e / last]) : 1;
    double by_output = 0;
    want += share * loss_term(loss, values[e], double(target[e]), by_output);
    slopes[e] = share * by_output / double(rows * last);
  }
  near("value", 0, T(value[0]), want / double(rows * last), 20);
  for (int l = a.count - 1; l >= 0; --l) {
    const Layer<T>& layer = *layers[l];
    const Index inputs = layer.inputs, outputs = layer.outputs;
    for (Index n = 0; n < outputs; ++n) {
      double bias = 0;
      for (Index i = 0; i < rows; ++i) bias += slopes[i * outputs + n];
      if (biased) near("grad_bias", n, layer.grad_bias[n], bias, 20);
      for (Index k = 0; k < inputs; ++k) {
        double sum = 0;
        for (Index i = 0; i < rows; ++i) {
          sum += layer.in[i * inputs + k] * slopes[i * outputs + n];
        }
        near("grad_kernel", k, layer.grad_kernel[k * outputs + n], sum, 20);
      }
    }
    std::vector<double> below(std::size_t(rows * inputs));
    for (Index i = 0; i < rows; ++i) {
      for (Index k = 0; k < inputs; ++k) {
        double sum = 0;
        for (Index n = 0; n < outputs; ++n) {
          sum +=
              slopes[i * outputs + n] * double(layer.kernel[k * outputs + n]);
        }
        const Index e = i * inputs + k;
        below[e] =
            l == 0 ? sum : sum * slope(layers[l - 1]->which, layer.in[e]);
        if (l == 0 && need_x) near("grad_x", e, grad_x[e], sum, 20);
      }
    }
    slopes = below;
    layer.grad_kernel.recorded();
    if (biased) layer.grad_bias.recorded();
  }
  output.recorded();
  value.recorded();
  if (need_x) grad_x.recorded();
}

}  // namespace

void test_dense_chain() {
  const auto bce = PointwiseLoss::kBinaryCrossEntropy;
  const auto mse = PointwiseLoss::kMeanSquaredError;
  const auto mae = PointwiseLoss::kMeanAbsoluteError;
  for (const Index rows : {1, 31, 32, 33, 65}) {
    on<float>(rows, {16, 24, 1}, bce, true, rows == 33, true);
    on<double>(rows, {5, 3}, mse, rows % 2 == 0, false, rows > 31);
  }
  on<float>(32, {100, 60, 50, 40, 6}, bce, true, true, true);  // no room left
  on<double>(70, {64, 32, 20, 12}, mae, true, false, false);
  on<float>(96, {1, 255}, mse, false, true, true);
}

}  // namespace strop::native
