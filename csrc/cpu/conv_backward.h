#pragma once

#include "cpu/conv_gradients.h"
#include "cpu/conv_parts.h"

// The gradients, included by conv.cpp after the forward pass. A thread takes
// part of the batch through all three of them, a band at a time, so that dz is
// written and read in L2: as an array of its own it would cost three passes
// over the output, more than the arithmetic of an image with one channel.

namespace strop::cpu::STROP_ISA {
namespace {

// What a task adds up: the sums of one part, grad_x of whole images, or both.
template <typename T>
struct Task {
  Range bands;
  T* kernel_sums;  // null: none
  T* bias_sums;    // null: none
  bool input;
};

template <typename T>
void backward_bands(const BackwardPlan<T>& plan, const Task<T>& task,
                    T* memory) {
  const ConvBackward<T>& a = plan.a;
  const Window& w = a.window;
  const Index size = w.height * w.width * w.channels;
  const Index each = plan.cuts.down * plan.cuts.across;
  T* dz_memory = memory;
  T* input_memory = dz_memory + plan.dz_size;
  T* band_sums = input_memory + plan.input_size;
  if (task.bias_sums != nullptr) clear(task.bias_sums, a.filters);
  for (Index index = task.bands.begin; index < task.bands.end; ++index) {
    const Band band = band_at(w, plan.cuts, index);
    const Slopes<T> dz = slopes_of(plan, band, dz_memory);
    if (task.bias_sums != nullptr) {
      add_bias_gradient(plan, band, dz.data, band_sums, task.bias_sums);
    }
    if (task.kernel_sums != nullptr) {
      const Input<T> input = input_of(a.x, w, plan.cuts, band, input_memory);
      add_kernel_gradient(plan, band, input, dz, index != task.bands.begin,
                          task.kernel_sums);
    }
    if (!task.input) continue;
    if (index % each == 0) clear(a.grad_x + band.image * size, size);
    add_input_gradient(plan, band, dz);
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
  // A part of the sums is some images or, of a small batch, some bands.
  const Index bands = plan.cuts.down * plan.cuts.across;
  const Index most_parts = parts_for(kernel_size);
  const bool of_images = w.batch >= most_parts;
  const Index units = of_images ? w.batch : w.batch * bands;
  const Index unit = of_images ? bands : 1;
  const Index parts = least(units, most_parts);
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
  // grad_x has tasks of its own where there would be too few of them.
  const bool with_x = a.grad_x != nullptr;
  const bool apart = with_x && (!of_images || parts < 4 * threads);
  const Index images = apart ? least(w.batch, most_parts) : 0;
  for_parts(parts + images, time, threads, [=](Index index, int slot) {
    Task<T> task{{}, nullptr, nullptr, true};
    if (index >= parts) {
      const Index part = index - parts;
      task.bands = {w.batch * part / images * bands,
                    w.batch * (part + 1) / images * bands};
    } else {
      task.bands = {units * index / parts * unit,
                    units * (index + 1) / parts * unit};
      task.kernel_sums = index == 0 ? a.grad_kernel
                                    : kernel_memory + (index - 1) * kernel_size;
      task.input = with_x && !apart;
      if (a.grad_bias != nullptr) {
        task.bias_sums =
            index == 0 ? a.grad_bias : bias_memory + (index - 1) * a.filters;
      }
    }
    backward_bands(plan, task, slots + slot * each);
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
