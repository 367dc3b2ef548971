// Convolution over the last axis but one or two, bias and activation in one
// pass, and its gradients. Bound by FMA but for images of one or two channels:
// their output is bound by memory. conv_bands.h says how the register tile of
// matmul reads an image.
//
// Bands of outputs are shared out; each thread copies what it needs of an image
// with pads, and all read one packed kernel.

#include "kernels/conv.h"

#include "cpu/conv_bands.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "kernels/matmul.h"

namespace strop::cpu::STROP_ISA {

void matmul(const Matmul<float>&);
void matmul(const Matmul<double>&);
void matmul_backward(const MatmulBackward<float>&);
void matmul_backward(const MatmulBackward<double>&);

namespace {

constexpr Index kLongestBlock = 384;

// A convolution of 1 x 1 that leaves out nothing is a product.
STROP_HD bool is_product(const Window& w, Index groups) {
  return groups == 1 && w.kernel_height == 1 && w.kernel_width == 1 &&
         w.stride_height == 1 && w.stride_width == 1 && !has_pads(w) &&
         w.out_height == w.height && w.out_width == w.width;
}

// What one thread takes at 100 GFLOP/s of float32 for so many multiply-adds.
template <typename T>
STROP_HD Index nanoseconds(Index products) {
  return 2 * products * Index{sizeof(T)} / 400;
}

// The kernel as panels of columns, one after the other in each group.
template <typename T>
void pack_kernel(const Conv<T>& a, Index k, T* packed) {
  const Index f = a.filters / a.groups;
  const Index width = panel_width<T>(f);
  const Index panels = (f + width - 1) / width;
  for_parts(a.groups * panels, k * a.filters, [=](Index index, int) {
    const Index group = index / panels;
    const Index j = index % panels * width;
    const Index columns = least(width, f - j);
    const Index stride = panel_stride<T>(columns);
    copy_panel<kColumnsOfTile<T>>(
        a.kernel + group * f + j, a.filters, k, int(columns), int(stride),
        packed + (group * panel_stride<T>(f) + j) * k, stride);
  });
}

template <typename T>
void forward_band(const Conv<T>& a, Cuts cuts, const Band& band,
                  const T* packed, T* memory) {
  const Window& w = a.window;
  const Input<T> input = input_of(a.x, w, cuts, band, memory);
  const Index c = w.channels / a.groups;
  const Index f = a.filters / a.groups;
  const Taps taps = taps_of(w, a.groups);
  const Index k = taps.count * taps.length;
  const Index block = block_of<T>(k);
  const Index width = panel_width<T>(f);
  const Index out_row = w.out_width * a.filters;
  T* out = a.out + (band.image * w.out_height + band.top) * out_row +
           band.left * a.filters;
  const Parts parts = parts_of_rows(band.right - band.left);
  Run runs[kLongestBlock + 1];
  Tile<T> t;
  t.a_stride = w.stride_width * w.channels;
  t.c_stride = a.filters;
  t.runs = runs;
  for (Index begin = 0; begin < k; begin += block) {
    const Index end = least(begin + block, k);
    t.runs_end = runs + runs_of(w, taps, input.row, begin, end, runs);
    t.add = begin != 0;
    t.relu = end == k && a.activation == Activation::kRelu;
    for (Index j = 0; j < a.filters; j += t.width) {
      const Index group = j / f;
      const Index column = j % f;
      t.width = int(least(width, f - column));
      t.b_stride = panel_stride<T>(t.width);
      t.b = packed + (group * panel_stride<T>(f) + column) * k +
            begin * t.b_stride;
      t.bias = end == k && a.bias != nullptr ? a.bias + j : nullptr;
      const TileKernel<T>* kernels = kernels_of<T>(t.width);
      for (Index row = 0; row < band.bottom - band.top; ++row) {
        const T* from =
            input.data + row * w.stride_height * input.row + group * c;
        T* to = out + row * out_row + j;
        for (Index i = 0; i < parts.count; ++i) {
          t.a = from + parts.begin(i) * t.a_stride;
          t.c = to + parts.begin(i) * t.c_stride;
          kernels[parts.size(i)](t);
        }
      }
    }
  }
  for (Index row = 0; row < band.bottom - band.top; ++row) {
    activate_rows(a.activation, out + row * out_row, a.filters,
                  band.right - band.left, a.filters);
  }
}

// No terms: the activation of the bias.
template <typename T>
void without_terms(const Conv<T>& a, Index pixels) {
  Product<T> p{};
  p.bias = a.bias;
  p.bias_stride = 1;
  p.activation = a.activation;
  for (Index i = 0; i < pixels; ++i) {
    T* row = a.out + i * a.filters;
    for (Index j = 0; j < a.filters; ++j) row[j] = 0;
    finish_row(p, row, 0, a.filters);
  }
}

template <typename T>
void forward(const Conv<T>& a) {
  const Window& w = a.window;
  const Index pixels = w.batch * w.out_height * w.out_width;
  const Index k = w.kernel_height * w.kernel_width * (w.channels / a.groups);
  if (pixels == 0 || a.filters == 0) return;
  if (k == 0) return without_terms(a, pixels);
  if (is_product(w, a.groups)) {
    return matmul(Matmul<T>{a.x, a.kernel, a.bias, a.out, pixels, a.filters, k,
                            false, false, a.activation});
  }
  const Index time = nanoseconds<T>(pixels * a.filters * k);
  const Index threads = helpful_threads(time);
  Cuts cuts =
      cuts_of(w, (a.filters + w.channels * w.stride_height * w.stride_width) *
                     Index{sizeof(T)});
  // No sum depends on the bands of this pass: there may be more of them.
  const Index wanted = 4 * threads / (w.batch * cuts.across);
  if (threads > 1) cuts.down = least(w.out_height, most(cuts.down, wanted));
  const Index packed_size =
      round_up(a.groups * panel_stride<T>(a.filters / a.groups) * k, 64);
  const Index each = round_up(input_size(w, cuts), 64);
  const Index bytes = (packed_size + threads * each) * Index{sizeof(T)};
  T* packed = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  pack_kernel(a, k, packed);
  for_parts(w.batch * cuts.down * cuts.across, time, threads,
            [=](Index index, int slot) {
              forward_band(a, cuts, band_at(a.window, cuts, index), packed,
                           packed + packed_size + slot * each);
            });
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void conv(const Conv<float>& a) { forward(a); }
void conv(const Conv<double>& a) { forward(a); }

}  // namespace strop::cpu::STROP_ISA

#include "cpu/conv_backward.h"
