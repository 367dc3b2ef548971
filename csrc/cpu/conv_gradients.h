#pragma once

#include "cpu/conv_bands.h"
#include "cpu/conv_slopes.h"

// The three gradients of one band of outputs.

namespace strop::cpu::STROP_ISA {
namespace {

// All that the parts share.
template <typename T>
struct BackwardPlan {
  ConvBackward<T> a;
  Cuts cuts;
  Taps taps;
  Index c, f;      // channels and filters of a group
  Index dz_pixel;  // elements from pixel to pixel of dz: panels may be read to
                   // the width of their tile
  Index dz_size, input_size;
  const T* turned;  // the kernel, filters first, in panels of channels
};

template <typename T>
struct Slopes {
  const T* data;
  Index columns;  // outputs of a row
};

// dz of a band, rows of pixels one after the other.
template <typename T>
Slopes<T> slopes_of(const BackwardPlan<T>& plan, const Band& band, T* memory) {
  const ConvBackward<T>& a = plan.a;
  const Window& w = a.window;
  const Index columns = band.right - band.left;
  const Index row_size = columns * a.filters;
  const Index first =
      ((band.image * w.out_height + band.top) * w.out_width + band.left) *
      a.filters;
  const bool dense = plan.dz_pixel == a.filters;
  if (dense && a.activation == Activation::kLinear && columns == w.out_width) {
    return {a.grad + first, columns};
  }
  const Index padded = plan.dz_pixel / a.groups;
  for (Index i = 0; i < band.bottom - band.top; ++i) {
    const Index from = first + i * w.out_width * a.filters;
    const T* grad = a.grad + from;
    const T* y = a.output + from;
    T* dz = memory + i * columns * plan.dz_pixel;
    if (dense) {
      slope_row(a.activation, grad, y, dz, row_size);
      continue;
    }
    for (Index j = 0; j < columns * a.groups; ++j) {
      slope_row(a.activation, grad + j * plan.f, y + j * plan.f,
                dz + j * padded, plan.f);
    }
  }
  return {memory, columns};
}

template <typename T>
void add_bias_gradient(const BackwardPlan<T>& plan, const Band& band,
                       const T* dz, T* band_sums, T* sums) {
  const Index pixels = (band.bottom - band.top) * (band.right - band.left);
  const Index padded = plan.dz_pixel / plan.a.groups;
  sum_pixels(dz, pixels, plan.dz_pixel, band_sums);
  for (Index j = 0; j < plan.a.filters; ++j) {
    sums[j] += band_sums[j / plan.f * padded + j % plan.f];
  }
}

// sums (+)= the transposed im2col matrix times dz. The sum over pixels runs
// through the rows of the band.
template <typename T>
void add_kernel_gradient(const BackwardPlan<T>& plan, const Band& band,
                         const Input<T>& input, const Slopes<T>& dz, bool add,
                         T* sums) {
  const ConvBackward<T>& a = plan.a;
  const Window& w = a.window;
  const Index rows = band.bottom - band.top;
  const Index width = panel_width<T>(plan.f);
  const Parts parts = parts_of_rows(plan.taps.length);
  Run runs[kMostRows];
  for (Index i = 0; i < rows; ++i) {
    runs[i] = {i * w.stride_height * input.row, dz.columns};
  }
  Tile<T> t;
  t.a_stride = 1;
  t.a_step = w.stride_width * w.channels;
  t.b_stride = plan.dz_pixel;
  t.c_stride = a.filters;
  t.bias = nullptr;
  t.add = add;
  t.relu = false;
  t.runs = runs;
  t.runs_end = runs + rows;
  for (Index j = 0; j < a.filters; j += t.width) {
    const Index group = j / plan.f;
    const Index column = j % plan.f;
    t.width = int(least(width, plan.f - column));
    t.b = dz.data + group * (plan.dz_pixel / a.groups) + column;
    const TileKernel<T>* kernels = kernels_of<T>(t.width);
    for (Index tap = 0; tap < plan.taps.count; ++tap) {
      const T* from = input.data + tap_offset(w, plan.taps, tap, input.row) +
                      group * plan.c;
      for (Index i = 0; i < parts.count; ++i) {
        t.a = from + parts.begin(i);
        t.c = sums + (tap * plan.taps.length + parts.begin(i)) * a.filters + j;
        kernels[parts.size(i)](t);
      }
    }
  }
}

// grad_x += dz times the turned kernel, tap by tap: what a tap reaches of a row
// lies a stride apart, so that the tile adds to it in place.
template <typename T>
void add_input_gradient(const BackwardPlan<T>& plan, const Band& band,
                        const Slopes<T>& dz) {
  const ConvBackward<T>& a = plan.a;
  const Window& w = a.window;
  const Index block = block_of<T>(plan.f);
  const Index width = panel_width<T>(plan.c);
  const Index padded = panel_stride<T>(plan.c);
  const Index dz_group = plan.dz_pixel / a.groups;
  T* image = a.grad_x + band.image * w.height * w.width * w.channels;
  Run run{0, 0};
  Tile<T> t;
  t.a_stride = plan.dz_pixel;
  t.c_stride = w.stride_width * w.channels;
  t.bias = nullptr;
  t.add = true;
  t.relu = false;
  t.runs = &run;
  t.runs_end = &run + 1;
  for (Index tap = 0; tap < w.kernel_height * w.kernel_width; ++tap) {
    const Index top = w.pad_top - tap / w.kernel_width * w.dilation_height;
    const Index left = w.pad_left - tap % w.kernel_width * w.dilation_width;
    const Range reached = outputs_inside(w, band, left);
    if (reached.begin >= reached.end) continue;
    const Index first = reached.begin;
    const Parts parts = parts_of_rows(reached.end - first);
    for (Index k = 0; k < plan.f; k += block) {
      run.length = least(block, plan.f - k);
      for (Index j = 0; j < w.channels; j += t.width) {
        const Index group = j / plan.c;
        const Index column = j % plan.c;
        t.width = int(least(width, plan.c - column));
        t.b_stride = panel_stride<T>(t.width);
        t.b = plan.turned + (tap * a.groups + group) * plan.f * padded +
              column * plan.f + k * t.b_stride;
        const TileKernel<T>* kernels = kernels_of<T>(t.width);
        for (Index row = band.top; row < band.bottom; ++row) {
          const Index y = row * w.stride_height - top;
          if (y < 0 || y >= w.height) continue;
          const T* from = dz.data + group * dz_group + k +
                          ((row - band.top) * dz.columns + first - band.left) *
                              plan.dz_pixel;
          T* to = image +
                  (y * w.width + first * w.stride_width - left) * w.channels +
                  j;
          for (Index i = 0; i < parts.count; ++i) {
            t.a = from + parts.begin(i) * t.a_stride;
            t.c = to + parts.begin(i) * t.c_stride;
            kernels[parts.size(i)](t);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
