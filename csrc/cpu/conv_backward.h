#pragma once

#include "cpu/conv_gradients.h"
#include "cpu/conv_parts.h"

// The gradients, included by conv.cpp after the forward pass. A thread takes
// part of the batch through all three of them, a band at a time, so that dz is
// written and read in L2: as an array of its own it would cost three passes
// over the output, more than the arithmetic of an image with one channel.

namespace strop::cpu::STROP_ISA {
namespace {

// Images [begin, end): their grad_x, and the sums of one part.
template <typename T>
void backward_images(const BackwardPlan<T>& plan, Range images, T* kernel_sums,
                     T* bias_sums, T* memory) {
  const ConvBackward<T>& a = plan.a;
  const Window& w = a.window;
  const Index size = w.height * w.width * w.channels;
  const Index bands = plan.cuts.down * plan.cuts.across;
  T* dz_memory = memory;
  T* input_memory = dz_memory + plan.dz_size;
  T* band_sums = input_memory + plan.input_size;
  if (bias_sums != nullptr) {
    for (Index j = 0; j < a.filters; ++j) bias_sums[j] = 0;
  }
  for (Index index = images.begin * bands; index < images.end * bands;
       ++index) {
    const Band band = band_at(w, plan.cuts, index);
    if (a.grad_x != nullptr && index % bands == 0) {
      T* __restrict image = a.grad_x + band.image * size;
      for (Index i = 0; i < size; ++i) image[i] = 0;
    }
    const Slopes<T> dz = slopes_of(plan, band, dz_memory);
    if (bias_sums != nullptr) {
      add_bias_gradient(plan, band, dz.data, band_sums, bias_sums);
    }
    const Input<T> input = input_of(a.x, w, plan.cuts, band, input_memory);
    add_kernel_gradient(plan, band, input, dz, index != images.begin * bands,
                        kernel_sums);
    if (a.grad_x != nullptr) add_input_gradient(plan, band, dz);
  }
}

template <typename T>
void turn_kernel(const BackwardPlan<T>& plan, T* turned) {
  const ConvBackward<T>& a = plan.a;
  const Index taps = a.window.kernel_height * a.window.kernel_width;
  const Index width = panel_width<T>(plan.c);
  const Index padded = panel_stride<T>(plan.c);
  for_parts(taps * a.groups, taps * plan.c * a.filters, [=](Index index, int) {
    const Index tap = index / a.groups;
    const Index group = index % a.groups;
    for (Index j = 0; j < plan.c; j += width) {
      const Index columns = least(width, plan.c - j);
      const Index stride = panel_stride<T>(columns);
      transpose_panel(
          a.kernel + (tap * plan.c + j) * a.filters + group * plan.f, a.filters,
          plan.f, int(columns), int(stride),
          turned + index * plan.f * padded + j * plan.f, stride);
    }
  });
}

template <typename T>
void backward(const ConvBackward<T>& a) {
  const Window& w = a.window;
  const Index pixels = w.batch * w.out_height * w.out_width;
  const Index taps = w.kernel_height * w.kernel_width;
  const Index kernel_size = taps * (w.channels / a.groups) * a.filters;
  if (pixels == 0 || a.filters == 0 || w.channels == 0) {
    if (a.grad_x != nullptr) {
      clear(a.grad_x, w.batch * w.height * w.width * w.channels);
    }
    clear(a.grad_kernel, kernel_size);
    // Without channels there is dz all the same, and a bias: matmul's sums.
    if (a.grad_bias != nullptr) {
      matmul_backward(MatmulBackward<T>{a.grad, nullptr, a.kernel, a.output,
                                        nullptr, a.grad_kernel, a.grad_bias,
                                        pixels, a.filters, 0, a.activation});
    }
    return;
  }
  if (is_product(w, a.groups)) {
    return matmul_backward(MatmulBackward<T>{
        a.grad, a.x, a.kernel, a.output, a.grad_x, a.grad_kernel, a.grad_bias,
        pixels, a.filters, w.channels, a.activation});
  }
  BackwardPlan<T> plan{};
  plan.a = a;
  plan.c = w.channels / a.groups;
  plan.f = a.filters / a.groups;
  plan.taps = taps_of(w, a.groups);
  plan.cuts =
      cuts_of(w, (a.filters + w.channels * w.stride_height * w.stride_width) *
                     Index{sizeof(T)});
  plan.dz_pixel = a.groups * panel_stride<T>(plan.f);
  plan.dz_size = round_up(
      band_rows(w, plan.cuts) * band_columns(w, plan.cuts) * plan.dz_pixel, 64);
  plan.input_size = round_up(input_size(w, plan.cuts), 64);
  const Index parts = batch_parts(w.batch, kernel_size);
  const Index time =
      nanoseconds<T>(pixels * kernel_size * (a.grad_x != nullptr ? 2 : 1));
  const Index threads = helpful_threads(time);
  const Index each =
      plan.dz_size + plan.input_size + round_up(plan.dz_pixel, 64);
  const Index turned =
      a.grad_x == nullptr
          ? 0
          : round_up(taps * a.filters * panel_stride<T>(plan.c), 64);
  const Index kernel_sums = round_up((parts - 1) * kernel_size, 64);
  const Index bias_sums =
      a.grad_bias == nullptr ? 0 : round_up((parts - 1) * a.filters, 64);
  const Index bytes =
      (turned + kernel_sums + bias_sums + threads * each) * Index{sizeof(T)};
  T* memory = static_cast<T*>(scratch(Scratch::kPacked, std::size_t(bytes)));
  T* kernel_memory = memory + turned;
  T* bias_memory = kernel_memory + kernel_sums;
  T* slots = bias_memory + bias_sums;
  plan.turned = memory;
  if (turned > 0) turn_kernel(plan, memory);
  for_parts(parts, time, threads, [=](Index part, int slot) {
    const Range images{w.batch * part / parts, w.batch * (part + 1) / parts};
    T* own_bias = a.grad_bias;
    if (own_bias != nullptr && part > 0) {
      own_bias = bias_memory + (part - 1) * a.filters;
    }
    backward_images(
        plan, images,
        part == 0 ? a.grad_kernel : kernel_memory + (part - 1) * kernel_size,
        own_bias, slots + slot * each);
  });
  add_parts(a.grad_kernel, kernel_memory, kernel_size, parts - 1);
  if (a.grad_bias != nullptr) {
    add_parts(a.grad_bias, bias_memory, a.filters, parts - 1);
  }
  trim_scratch(Scratch::kPacked);
}

}  // namespace

void conv_backward(const ConvBackward<float>& a) { backward(a); }
void conv_backward(const ConvBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
