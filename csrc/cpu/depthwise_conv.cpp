// Convolution of each channel by kernels of its own, and its gradients. A term
// is one product for one load, so memory bounds it: L1 where the image is in
// cache.
//
// The channels of a pixel are the lanes of a vector, and a few sums of them
// stand in registers: neighbouring outputs in the forward pass, the taps of a
// row for the gradient by the kernel. With more than one kernel per channel the
// input of a band is copied with each channel as often, and all is as with one.

#include "kernels/depthwise_conv.h"

#include "cpu/conv_bands.h"
#include "cpu/conv_parts.h"
#include "cpu/conv_slopes.h"
#include "cpu/depthwise_conv_tile.h"
#include "cpu/scratch.h"

namespace strop::cpu::STROP_ISA {
namespace {

// As far as bands and memory go, both passes have this in common.
template <typename T>
struct Layout {
  Window window;
  Cuts cuts;
  Index multiplier, outs;  // D and C D
  Index pads_size, copies_size, each;
};

template <typename T>
Layout<T> layout_of(const Window& w, Index multiplier, bool backward) {
  Layout<T> layout;
  layout.window = w;
  layout.multiplier = multiplier;
  layout.outs = w.channels * multiplier;
  layout.cuts =
      cuts_of(w, layout.outs * (1 + w.stride_height * w.stride_width) *
                     Index{sizeof(T)});
  layout.pads_size = round_up(input_size(w, layout.cuts), 64);
  layout.copies_size =
      multiplier == 1
          ? 0
          : round_up(reach(band_rows(w, layout.cuts), w.stride_height,
                           w.kernel_height, w.dilation_height) *
                         reach(band_columns(w, layout.cuts), w.stride_width,
                               w.kernel_width, w.dilation_width) *
                         layout.outs,
                     64);
  // The backward pass has dz, and its sums over a band, besides.
  const Index pixels = band_rows(w, layout.cuts) * band_columns(w, layout.cuts);
  layout.each = layout.pads_size + layout.copies_size;
  if (backward) layout.each += round_up((pixels + 1) * layout.outs, 64);
  return layout;
}

// The input of a band with every channel `multiplier` times.
template <typename T>
Input<T> copies_of(const Layout<T>& layout, const T* x, const Band& band,
                   T* memory) {
  const Window& w = layout.window;
  const Input<T> input = input_of(x, w, layout.cuts, band, memory);
  if (layout.multiplier == 1) return input;
  const Index rows = reach(band.bottom - band.top, w.stride_height,
                           w.kernel_height, w.dilation_height);
  const Index columns = reach(band.right - band.left, w.stride_width,
                              w.kernel_width, w.dilation_width);
  T* copies = memory + layout.pads_size;
  for (Index i = 0; i < rows; ++i) {
    const T* from = input.data + i * input.row;
    T* to = copies + i * columns * layout.outs;
    for (Index j = 0; j < columns * w.channels; ++j) {
      for (Index d = 0; d < layout.multiplier; ++d) *to++ = from[j];
    }
  }
  return {copies, columns * layout.outs};
}

template <typename T>
void forward_band(const DepthwiseConv<T>& a, const Layout<T>& layout,
                  const Band& band, T* memory) {
  const Window& w = a.window;
  const Input<T> input = copies_of(layout, a.x, band, memory);
  const Index outs = layout.outs;
  const Index columns = band.right - band.left;
  const Parts parts = sums_of(columns);
  ChannelTile<T> t;
  t.a_stride = w.stride_width * outs;
  t.a_step = w.dilation_width * outs;
  t.length = w.kernel_width;
  t.runs = w.kernel_height;
  t.run_step = w.dilation_height * input.row;
  t.b_step = outs;
  t.out_stride = outs;
  t.add = false;
  t.relu = a.activation == Activation::kRelu;
  for (Index row = 0; row < band.bottom - band.top; ++row) {
    const T* from = input.data + row * w.stride_height * input.row;
    T* out =
        a.out + ((band.image * w.out_height + band.top + row) * w.out_width +
                 band.left) *
                    outs;
    for (Index i = 0; i < parts.count; ++i) {
      t.a = from + parts.begin(i) * t.a_stride;
      t.b = a.kernel;
      t.bias = a.bias;
      t.out = out + parts.begin(i) * outs;
      all_channels(t, parts.size(i), outs);
    }
    activate_rows(a.activation, out, outs, columns, outs);
  }
}

template <typename T>
void forward(const DepthwiseConv<T>& a) {
  const Window& w = a.window;
  const Index pixels = w.batch * w.out_height * w.out_width;
  if (pixels == 0 || w.channels == 0 || a.multiplier == 0) return;
  Layout<T> layout = layout_of<T>(w, a.multiplier, false);
  const Index terms = pixels * layout.outs * w.kernel_height * w.kernel_width;
  const Index time = terms * Index{sizeof(T)} / 32;
  const Index threads = helpful_threads(time);
  // No sum depends on the bands of this pass: there may be more of them.
  const Index wanted = 4 * threads / (w.batch * layout.cuts.across);
  if (threads > 1) {
    layout.cuts.down = least(w.out_height, most(layout.cuts.down, wanted));
  }
  T* memory = nullptr;
  if (layout.each > 0) {
    const Index bytes = threads * layout.each * Index{sizeof(T)};
    memory = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  }
  for_parts(w.batch * layout.cuts.down * layout.cuts.across, time, threads,
            [=](Index index, int slot) {
              forward_band(a, layout, band_at(a.window, layout.cuts, index),
                           memory + slot * layout.each);
            });
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void depthwise_conv(const DepthwiseConv<float>& a) { forward(a); }
void depthwise_conv(const DepthwiseConv<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/depthwise_conv_backward.h"
