#include "kernels/depthwise_conv.h"

#include "native.h"

namespace strop::native {
namespace {

struct Sizes {
  Index batch, height, width, channels, multiplier;
  Index taps[2], stride[2], dilation[2], pads[2];  // pads on each side
};

Index outputs(const Sizes& s, int axis, Index size) {
  const Index reach = (s.taps[axis] - 1) * s.dilation[axis] + 1;
  const Index padded = size + 2 * s.pads[axis];
  return padded < reach ? 0 : (padded - reach) / s.stride[axis] + 1;
}

double slope_at(Activation which, double y) {
  return which == Activation::kRelu   ? (y > 0 ? 1 : 0)
         : which == Activation::kTanh ? 1 - y * y
                                      : 1;
}

double activated(Activation which, double x) {
  return which == Activation::kRelu   ? (x > 0 ? x : 0)
         : which == Activation::kTanh ? std::tanh(x)
                                      : x;
}

template <typename T>
void check(const Sizes& s, Activation activation, bool compare = true) {
  const Window w{s.batch,
                 s.height,
                 s.width,
                 s.channels,
                 s.taps[0],
                 s.taps[1],
                 outputs(s, 0, s.height),
                 outputs(s, 1, s.width),
                 s.stride[0],
                 s.stride[1],
                 s.dilation[0],
                 s.dilation[1],
                 s.pads[0],
                 s.pads[1]};
  const Index filters = s.channels * s.multiplier;
  const Index outs = s.batch * w.out_height * w.out_width * filters;
  Guarded<T> x(s.batch * s.height * s.width * s.channels),
      kernel(s.taps[0] * s.taps[1] * filters), bias(filters), out(outs),
      grad(outs), grad_x(x.size()), grad_kernel(kernel.size()),
      grad_bias(filters);
  x.random();
  kernel.random();
  bias.random();
  grad.random();
  out.fill(T(NAN));
  grad_x.fill(T(NAN));
  grad_kernel.fill(T(NAN));
  grad_bias.fill(T(NAN));
  backend::depthwise_conv(
      DepthwiseConv<T>{x.data(), kernel.data(), bias.data(), out.data(), w,
                       s.multiplier, activation},
      {});
  const bool linear = activation == Activation::kLinear;
  backend::depthwise_conv_backward(
      DepthwiseConvBackward<T>{grad.data(), x.data(), kernel.data(),
                               linear ? nullptr : out.data(), grad_x.data(),
                               grad_kernel.data(), grad_bias.data(), w,
                               s.multiplier, activation},
      {});
  out.recorded();
  grad_x.recorded();
  grad_kernel.recorded();
  grad_bias.recorded();
  if (!compare) return;
  std::vector<double> z(outs), by_x(x.size()), by_kernel(kernel.size()),
      by_bias(filters);
  for (Index at = 0; at < outs; ++at) {
    const Index o = at % filters, pixel = at / filters;
    const Index j = pixel % w.out_width;
    const Index i = pixel / w.out_width % w.out_height;
    const Index n = pixel / w.out_width / w.out_height;
    const double dz = double(grad[at]) * slope_at(activation, double(out[at]));
    z[at] = double(bias[o]);
    by_bias[o] += dz;
    for (Index h = 0; h < s.taps[0]; ++h) {
      const Index y = i * s.stride[0] + h * s.dilation[0] - s.pads[0];
      for (Index l = 0; l < s.taps[1]; ++l) {
        const Index c = j * s.stride[1] + l * s.dilation[1] - s.pads[1];
        if (y < 0 || y >= s.height || c < 0 || c >= s.width) continue;
        const Index from =
            ((n * s.height + y) * s.width + c) * s.channels + o / s.multiplier;
        const Index weight = (h * s.taps[1] + l) * filters + o;
        z[at] += double(x[from]) * double(kernel[weight]);
        by_x[from] += dz * double(kernel[weight]);
        by_kernel[weight] += dz * double(x[from]);
      }
    }
  }
  const double terms = double(s.taps[0] * s.taps[1]) + 1;
  const double pixels = double(s.batch * w.out_height * w.out_width) + 1;
  for (Index i = 0; i < outs; ++i) {
    near("out", i, out[i], activated(activation, z[i]), terms);
  }
  for (Index i = 0; i < x.size(); ++i) {
    near("grad_x", i, grad_x[i], by_x[i], terms * double(s.multiplier));
  }
  for (Index i = 0; i < kernel.size(); ++i) {
    near("grad_kernel", i, grad_kernel[i], by_kernel[i], pixels);
  }
  for (Index i = 0; i < filters; ++i) {
    near("grad_bias", i, grad_bias[i], by_bias[i], pixels);
  }
}

}  // namespace

void test_depthwise_conv() {
  const Activation all[] = {Activation::kLinear, Activation::kRelu,
                            Activation::kTanh};
  const Sizes sizes[] = {
      {2, 6, 9, 3, 1, {3, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 6, 9, 17, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {1, 7, 17, 4, 3, {2, 3}, {2, 3}, {1, 1}, {0, 1}},
      {3, 8, 7, 33, 1, {3, 2}, {1, 2}, {2, 3}, {3, 2}},
      {2, 5, 6, 5, 2, {3, 5}, {2, 1}, {2, 1}, {1, 0}},
      {2, 2, 2, 2, 1, {3, 3}, {3, 3}, {1, 1}, {4, 4}},
      {0, 4, 4, 2, 1, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 4, 4, 0, 1, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 4, 4, 2, 0, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 0, 4, 2, 1, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
  };
  for (const Sizes& s : sizes) {
    for (const Activation activation : all) {
      check<float>(s, activation);
      check<double>(s, activation);
    }
  }
  // What the threads share: their bits alone.
  check<float>({20, 20, 20, 40, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
               Activation::kTanh, false);
  check<double>({9, 16, 20, 24, 2, {3, 3}, {1, 2}, {1, 1}, {1, 1}},
                Activation::kRelu, false);
}

}  // namespace strop::native
