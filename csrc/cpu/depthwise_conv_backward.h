#pragma once

// The gradients, included by depthwise_conv.cpp after the forward pass.

namespace strop::cpu::STROP_ISA {
namespace {

// dz of a band, rows of pixels one after the other.
template <typename T>
const T* slopes_of(const DepthwiseConvBackward<T>& a, const Layout<T>& layout,
                   const Band& band, T* memory) {
  const Window& w = a.window;
  const Index row = (band.right - band.left) * layout.outs;
  const Index stride = w.out_width * layout.outs;
  const Index first =
      (band.image * w.out_height + band.top) * stride + band.left * layout.outs;
  if (a.activation == Activation::kLinear && row == stride) {
    return a.grad + first;
  }
  for (Index i = 0; i < band.bottom - band.top; ++i) {
    const Index from = first + i * stride;
    slope_row(a.activation, a.grad + from, a.output + from, memory + i * row,
              row);
  }
  return memory;
}

template <typename T>
void add_kernel_gradient(const DepthwiseConvBackward<T>& a,
                         const Layout<T>& layout, const Band& band,
                         const Input<T>& input, const T* dz, bool add,
                         T* sums) {
  const Window& w = a.window;
  const Index outs = layout.outs;
  const Parts parts = sums_of(w.kernel_width);
  ChannelTile<T> t;
  t.a_stride = w.dilation_width * outs;
  t.a_step = w.stride_width * outs;
  t.run_step = w.stride_height * input.row;
  t.length = band.right - band.left;
  t.runs = band.bottom - band.top;
  t.b = dz;
  t.b_step = outs;
  t.out_stride = outs;
  t.bias = nullptr;
  t.add = add;
  t.relu = false;
  for (Index tap = 0; tap < w.kernel_height; ++tap) {
    for (Index i = 0; i < parts.count; ++i) {
      t.a = input.data + tap * w.dilation_height * input.row +
            parts.begin(i) * t.a_stride;
      t.out = sums + (tap * w.kernel_width + parts.begin(i)) * outs;
      all_channels(t, parts.size(i), outs);
    }
  }
}

// grad_x += dz times the kernel, for the outputs of one row and one tap.
template <typename T>
void add_tap(T* grad_x, Index grad_step, const T* dz, const T* kernel,
             Index pixels, Index channels, Index multiplier) {
  for (Index j = 0; j < pixels; ++j) {
    T* __restrict to = grad_x + j * grad_step;
    const T* __restrict from = dz + j * channels * multiplier;
    const T* __restrict weight = kernel;
    if (multiplier == 1) {
      for (Index c = 0; c < channels; ++c) {
        to[c] = multiply_add(from[c], weight[c], to[c]);
      }
      continue;
    }
    for (Index c = 0; c < channels; ++c) {
      T sum = to[c];
      for (Index d = 0; d < multiplier; ++d) {
        sum = multiply_add(from[c * multiplier + d], weight[c * multiplier + d],
                           sum);
      }
      to[c] = sum;
    }
  }
}

template <typename T>
void add_input_gradient(const DepthwiseConvBackward<T>& a,
                        const Layout<T>& layout, const Band& band,
                        const T* dz) {
  const Window& w = a.window;
  const Index row_size = (band.right - band.left) * layout.outs;
  T* image = a.grad_x + band.image * w.height * w.width * w.channels;
  for (Index row = band.top; row < band.bottom; ++row) {
    for (Index h = 0; h < w.kernel_height; ++h) {
      const Index y = row * w.stride_height + h * w.dilation_height - w.pad_top;
      if (y < 0 || y >= w.height) continue;
      for (Index l = 0; l < w.kernel_width; ++l) {
        const Index left = w.pad_left - l * w.dilation_width;
        const Range reached = outputs_inside(w, band, left);
        if (reached.begin >= reached.end) continue;
        add_tap(image + (y * w.width + reached.begin * w.stride_width - left) *
                            w.channels,
                w.stride_width * w.channels,
                dz + (row - band.top) * row_size +
                    (reached.begin - band.left) * layout.outs,
                a.kernel + (h * w.kernel_width + l) * layout.outs,
                reached.end - reached.begin, w.channels, a.multiplier);
      }
    }
  }
}

template <typename T>
void backward_images(const DepthwiseConvBackward<T>& a, const Layout<T>& layout,
                     Range images, T* kernel_sums, T* bias_sums, T* memory) {
  const Window& w = a.window;
  const Index size = w.height * w.width * w.channels;
  const Index bands = layout.cuts.down * layout.cuts.across;
  const Index first = images.begin * bands;
  if (bias_sums != nullptr) clear(bias_sums, layout.outs);
  for (Index index = first; index < images.end * bands; ++index) {
    const Band band = band_at(w, layout.cuts, index);
    if (a.grad_x != nullptr && index % bands == 0) {
      clear(a.grad_x + band.image * size, size);
    }
    const T* dz = slopes_of(a, layout, band,
                            memory + layout.pads_size + layout.copies_size);
    if (bias_sums != nullptr) {
      const Index pixels = (band.bottom - band.top) * (band.right - band.left);
      T* sums = memory + layout.each - layout.outs;
      sum_pixels(dz, pixels, layout.outs, sums);
      for (Index j = 0; j < layout.outs; ++j) bias_sums[j] += sums[j];
    }
    const Input<T> input = copies_of(layout, a.x, band, memory);
    add_kernel_gradient(a, layout, band, input, dz, index != first,
                        kernel_sums);
    if (a.grad_x != nullptr) add_input_gradient(a, layout, band, dz);
  }
}

template <typename T>
void backward(const DepthwiseConvBackward<T>& a) {
  const Window& w = a.window;
  const Index pixels = w.batch * w.out_height * w.out_width;
  const Index outs = w.channels * a.multiplier;
  const Index kernel_size = w.kernel_height * w.kernel_width * outs;
  if (pixels == 0 || outs == 0) {
    if (a.grad_x != nullptr) {
      clear(a.grad_x, w.batch * w.height * w.width * w.channels);
    }
    clear(a.grad_kernel, kernel_size);
    if (a.grad_bias != nullptr) clear(a.grad_bias, outs);
    return;
  }
  const Layout<T> layout = layout_of<T>(w, a.multiplier, true);
  const Index parts = least(w.batch, parts_for(kernel_size));
  const Index time =
      pixels * kernel_size * Index{sizeof(T)} / (a.grad_x != nullptr ? 12 : 24);
  const Index threads = helpful_threads(time);
  const Index kernel_sums = round_up((parts - 1) * kernel_size, 64);
  const Index bias_sums =
      a.grad_bias == nullptr ? 0 : round_up((parts - 1) * outs, 64);
  const Index bytes =
      (kernel_sums + bias_sums + threads * layout.each) * Index{sizeof(T)};
  T* memory = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  T* bias_memory = memory + kernel_sums;
  T* slots = bias_memory + bias_sums;
  for_parts(parts, time, threads, [=](Index part, int slot) {
    const Range images{w.batch * part / parts, w.batch * (part + 1) / parts};
    T* own_bias = a.grad_bias;
    if (own_bias != nullptr && part > 0) {
      own_bias = bias_memory + (part - 1) * outs;
    }
    backward_images(
        a, layout, images,
        part == 0 ? a.grad_kernel : memory + (part - 1) * kernel_size, own_bias,
        slots + slot * layout.each);
  });
  add_parts(a.grad_kernel, memory, kernel_size, parts - 1);
  if (a.grad_bias != nullptr) {
    add_parts(a.grad_bias, bias_memory, outs, parts - 1);
  }
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void depthwise_conv_backward(const DepthwiseConvBackward<float>& a) {
  backward(a);
}
void depthwise_conv_backward(const DepthwiseConvBackward<double>& a) {
  backward(a);
}

}  // namespace strop::cpu::STROP_ISA
