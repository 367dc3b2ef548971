#include "kernels/conv.h"

#include "native.h"

namespace strop::native {
namespace {

Index outputs(Index size, Index taps, Index stride, Index dilation,
              Index pads) {
  const Index reach = (taps - 1) * dilation + 1;
  return size + pads < reach ? 0 : (size + pads - reach) / stride + 1;
}

struct Sizes {
  Index batch, height, width, channels, filters, groups;
  Index taps[2], stride[2], dilation[2], pads[2];  // pads on each side
};

Window window_of(const Sizes& s) {
  return {
      s.batch,
      s.height,
      s.width,
      s.channels,
      s.taps[0],
      s.taps[1],
      outputs(s.height, s.taps[0], s.stride[0], s.dilation[0], 2 * s.pads[0]),
      outputs(s.width, s.taps[1], s.stride[1], s.dilation[1], 2 * s.pads[1]),
      s.stride[0],
      s.stride[1],
      s.dilation[0],
      s.dilation[1],
      s.pads[0],
      s.pads[1]};
}

// Calls f(image, i, j, filter, place in x, place in kernel) for every term.
template <typename F>
void for_terms(const Sizes& s, const Window& w, const F& f) {
  const Index c = s.channels / s.groups;
  const Index each = s.filters / s.groups;
  for (Index n = 0; n < s.batch; ++n) {
    for (Index i = 0; i < w.out_height; ++i) {
      for (Index j = 0; j < w.out_width; ++j) {
        const Index pixel = (n * w.out_height + i) * w.out_width + j;
        for (Index h = 0; h < s.taps[0]; ++h) {
          const Index y = i * s.stride[0] + h * s.dilation[0] - s.pads[0];
          for (Index l = 0; l < s.taps[1]; ++l) {
            const Index x = j * s.stride[1] + l * s.dilation[1] - s.pads[1];
            if (y < 0 || y >= s.height || x < 0 || x >= s.width) continue;
            for (Index k = 0; k < c; ++k) {
              for (Index o = 0; o < s.filters; ++o) {
                f(pixel * s.filters + o, o,
                  ((n * s.height + y) * s.width + x) * s.channels +
                      o / each * c + k,
                  ((h * s.taps[1] + l) * c + k) * s.filters + o);
              }
            }
          }
        }
      }
    }
  }
}

double slope_at(Activation which, double y) {
  return which == Activation::kRelu      ? (y > 0 ? 1 : 0)
         : which == Activation::kSigmoid ? y * (1 - y)
         : which == Activation::kTanh    ? 1 - y * y
                                         : 1;
}

double activated(Activation which, double x) {
  return which == Activation::kRelu      ? (x > 0 ? x : 0)
         : which == Activation::kSigmoid ? 1 / (1 + std::exp(-x))
         : which == Activation::kTanh    ? std::tanh(x)
                                         : x;
}

template <typename T>
void check(const Sizes& s, Activation activation, bool compare = true) {
  const Window w = window_of(s);
  const Index outs = s.batch * w.out_height * w.out_width * s.filters;
  const Index taps = s.taps[0] * s.taps[1] * (s.channels / s.groups);
  Guarded<T> x(s.batch * s.height * s.width * s.channels),
      kernel(taps * s.filters), bias(s.filters), out(outs), grad(outs),
      grad_x(x.size()), grad_kernel(kernel.size()), grad_bias(s.filters);
  x.random();
  kernel.random();
  bias.random();
  grad.random();
  out.fill(T(NAN));
  grad_x.fill(T(NAN));
  grad_kernel.fill(T(NAN));
  grad_bias.fill(T(NAN));
  backend::conv(Conv<T>{x.data(), kernel.data(), bias.data(), out.data(), w,
                        s.filters, s.groups, activation},
                {});
  const bool linear = activation == Activation::kLinear;
  backend::conv_backward(
      ConvBackward<T>{grad.data(), x.data(), kernel.data(),
                      linear ? nullptr : out.data(), grad_x.data(),
                      grad_kernel.data(), grad_bias.data(), w, s.filters,
                      s.groups, activation},
      {});
  out.recorded();
  grad_x.recorded();
  grad_kernel.recorded();
  grad_bias.recorded();
  if (!compare) return;
  std::vector<double> z(outs), by_x(x.size()), by_kernel(kernel.size()),
      by_bias(s.filters);
  for (Index i = 0; i < outs; ++i) {
    z[i] = double(bias[i % s.filters]);
    by_bias[i % s.filters] += double(grad[i]) * slope_at(activation, out[i]);
  }
  for_terms(s, w, [&](Index at, Index, Index from, Index weight) {
    const double dz = double(grad[at]) * slope_at(activation, double(out[at]));
    z[at] += double(x[from]) * double(kernel[weight]);
    by_x[from] += dz * double(kernel[weight]);
    by_kernel[weight] += dz * double(x[from]);
  });
  const double terms = double(taps) + 1;
  const double pixels = double(s.batch * w.out_height * w.out_width) + 1;
  for (Index i = 0; i < outs; ++i) {
    near("out", i, out[i], activated(activation, z[i]), terms, 4 + terms / 8);
  }
  for (Index i = 0; i < x.size(); ++i) {
    near("grad_x", i, grad_x[i], by_x[i], double(s.filters) * terms);
  }
  for (Index i = 0; i < kernel.size(); ++i) {
    near("grad_kernel", i, grad_kernel[i], by_kernel[i], pixels);
  }
  for (Index i = 0; i < s.filters; ++i) {
    near("grad_bias", i, grad_bias[i], by_bias[i], pixels);
  }
}

}  // namespace

void test_conv() {
  const Activation all[] = {Activation::kLinear, Activation::kRelu,
                            Activation::kSigmoid, Activation::kTanh};
  const Sizes sizes[] = {
      {2, 6, 9, 3, 5, 1, {3, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 6, 9, 1, 17, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
      {1, 7, 17, 4, 9, 1, {2, 3}, {2, 3}, {1, 1}, {0, 1}},
      {3, 8, 7, 2, 8, 1, {3, 2}, {1, 2}, {2, 3}, {3, 2}},
      {2, 5, 6, 6, 4, 2, {2, 2}, {1, 1}, {1, 1}, {1, 0}},
      {2, 5, 6, 5, 10, 5, {3, 1}, {2, 1}, {2, 1}, {1, 0}},
      {2, 4, 5, 7, 33, 1, {1, 1}, {1, 1}, {1, 1}, {0, 0}},
      {2, 4, 5, 7, 3, 1, {1, 1}, {2, 2}, {1, 1}, {1, 1}},
      {2, 2, 2, 2, 3, 1, {3, 3}, {3, 3}, {1, 1}, {4, 4}},
      {0, 4, 4, 2, 3, 1, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 4, 4, 0, 3, 1, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 4, 4, 2, 0, 1, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
      {2, 0, 4, 2, 3, 1, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
  };
  for (const Sizes& s : sizes) {
    for (const Activation activation : all) {
      check<float>(s, activation);
      check<double>(s, activation);
    }
  }
  // Several blocks and panels, then what the threads share: their bits alone.
  check<float>({1, 5, 6, 150, 70, 1, {3, 1}, {1, 1}, {1, 1}, {1, 0}},
               Activation::kRelu);
  check<double>({1, 5, 6, 100, 30, 1, {3, 1}, {1, 1}, {1, 1}, {1, 0}},
                Activation::kRelu);
  check<float>({20, 20, 20, 8, 32, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
               Activation::kTanh, false);
  check<double>({9, 16, 20, 8, 24, 2, {3, 3}, {1, 2}, {1, 1}, {1, 1}},
                Activation::kRelu, false);
}

}  // namespace strop::native
