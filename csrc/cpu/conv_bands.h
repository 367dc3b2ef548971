#pragma once

#include "cpu/matmul_pack.h"
#include "cpu/matmul_product.h"
#include "cpu/matmul_tile.h"
#include "kernels/window.h"

// What both passes of a convolution share: bands of an output image whose input
// stays in L2, that input as the register tile reads it, and runs of tiles.
//
// No window is copied anywhere. The windows of neighbouring outputs lie a step
// apart in the image, so that the tile reads its rows of the im2col matrix
// where they are, in runs: a row of the kernel, or one tap where it is dilated
// or has groups. Only an image with pads is copied, a band at a time with its
// zeros.

namespace strop::cpu::STROP_ISA {
namespace {

// Outputs [top, bottom) x [left, right) of an image.
struct Band {
  Index image, top, bottom, left, right;
};

// Every image is cut into down x across bands.
struct Cuts {
  Index down, across;
};

constexpr Index kBandBytes = Index{256} << 10;
constexpr Index kMostRows = 256;

// The bounds depend on the sizes alone.
STROP_HD Cuts cuts_of(const Window& w, Index pixel_bytes) {
  const Index fit = most(kBandBytes / most(pixel_bytes, 1), 64);
  const Index across = (w.out_width + fit - 1) / fit;
  const Index columns = (w.out_width + across - 1) / across;
  const Index rows = least(most(fit / most(columns, 1), 1), kMostRows);
  return {(w.out_height + rows - 1) / rows, across};
}

STROP_HD Band band_at(const Window& w, Cuts cuts, Index index) {
  const Index each = cuts.down * cuts.across;
  const Index row = index % each / cuts.across;
  const Index column = index % cuts.across;
  return {index / each, w.out_height * row / cuts.down,
          w.out_height * (row + 1) / cuts.down,
          w.out_width * column / cuts.across,
          w.out_width * (column + 1) / cuts.across};
}

// The longest that outputs of one row of a band can be, and its most rows.
STROP_HD Index band_columns(const Window& w, Cuts cuts) {
  return (w.out_width + cuts.across - 1) / cuts.across;
}
STROP_HD Index band_rows(const Window& w, Cuts cuts) {
  return (w.out_height + cuts.down - 1) / cuts.down;
}

// Pixels that the windows of so many outputs reach over.
STROP_HD Index reach(Index outputs, Index stride, Index taps, Index dilation) {
  return (outputs - 1) * stride + (taps - 1) * dilation + 1;
}

STROP_HD bool has_pads(const Window& w) {
  return w.pad_top > 0 || w.pad_left > 0 ||
         reach(w.out_height, w.stride_height, w.kernel_height,
               w.dilation_height) > w.height ||
         reach(w.out_width, w.stride_width, w.kernel_width, w.dilation_width) >
             w.width;
}

// The input of a band: the first element of its first window, and how far apart
// rows of pixels are.
template <typename T>
struct Input {
  const T* data;
  Index row;
};

STROP_HD Index input_row(const Window& w, Cuts cuts) {
  if (!has_pads(w)) return w.width * w.channels;
  return reach(band_columns(w, cuts), w.stride_width, w.kernel_width,
               w.dilation_width) *
         w.channels;
}

STROP_HD Index input_size(const Window& w, Cuts cuts) {
  if (!has_pads(w)) return 0;
  return input_row(w, cuts) * reach(band_rows(w, cuts), w.stride_height,
                                    w.kernel_height, w.dilation_height);
}

// Where the image has pads the band is copied to `memory`, of input_size.
template <typename T>
Input<T> input_of(const T* x, const Window& w, Cuts cuts, const Band& band,
                  T* memory) {
  const Index row = input_row(w, cuts);
  const Index top = band.top * w.stride_height - w.pad_top;
  const Index left = band.left * w.stride_width - w.pad_left;
  const Index c = w.channels;
  const T* image = x + band.image * w.height * w.width * c;
  if (!has_pads(w)) return {image + (top * w.width + left) * c, row};
  const Index rows = reach(band.bottom - band.top, w.stride_height,
                           w.kernel_height, w.dilation_height);
  const Index columns = reach(band.right - band.left, w.stride_width,
                              w.kernel_width, w.dilation_width);
  const Index first = most(0, least(-left, columns));
  const Index last = most(first, least(w.width - left, columns));
  for (Index i = 0; i < rows; ++i) {
    T* __restrict to = memory + i * row;
    const Index y = top + i;
    const bool inside = y >= 0 && y < w.height;
    const Index begin = inside ? first * c : columns * c;
    for (Index j = 0; j < begin; ++j) to[j] = 0;
    if (!inside) continue;
    const Index end = last * c;
    const T* __restrict from = image + (y * w.width + left) * c;
    for (Index j = begin; j < end; ++j) to[j] = from[j];
    for (Index j = end; j < columns * c; ++j) to[j] = 0;
  }
  return {memory, row};
}

// The outputs of a row of a band whose tap lies inside the image: output j
// reaches pixel j * stride - left.
STROP_HD Range outputs_inside(const Window& w, const Band& band, Index left) {
  const Index stride = w.stride_width;
  const Index reached = w.width - 1 + left;  // by the last output
  return {most(band.left, left > 0 ? (left + stride - 1) / stride : 0),
          least(band.right, reached < 0 ? 0 : reached / stride + 1)};
}

// The sum over a window as runs of contiguous elements: rows of the kernel, or
// taps.
struct Taps {
  Index count;
  Index length;
  bool whole_rows;
};

STROP_HD Taps taps_of(const Window& w, Index groups) {
  const Index c = w.channels / groups;
  if (groups == 1 && (w.dilation_width == 1 || w.kernel_width == 1)) {
    return {w.kernel_height, w.kernel_width * c, true};
  }
  return {w.kernel_height * w.kernel_width, c, false};
}

STROP_HD Index tap_offset(const Window& w, const Taps& taps, Index index,
                          Index row) {
  if (taps.whole_rows) return index * w.dilation_height * row;
  return index / w.kernel_width * w.dilation_height * row +
         index % w.kernel_width * w.dilation_width * w.channels;
}

// Elements [begin, end) of the sum over a window, a piece of each tap; at most
// one run more than elements.
STROP_HD Index runs_of(const Window& w, const Taps& taps, Index row,
                       Index begin, Index end, Run* runs) {
  Index count = 0;
  while (begin < end) {
    const Index tap = begin / taps.length;
    const Index within = begin % taps.length;
    const Index length = least(taps.length - within, end - begin);
    runs[count++] = {tap_offset(w, taps, tap, row) + within, length};
    begin += length;
  }
  return count;
}

// `n` in as many parts as there are units in it, as equal as can be.
struct Parts {
  Index n, count;
  Index begin(Index i) const { return n * i / count; }
  int size(Index i) const { return int(begin(i + 1) - begin(i)); }
};

STROP_HD Parts parts_of_rows(Index n) {
  return {n, (n + kRowsOfTile - 1) / kRowsOfTile};
}

// Columns of a matrix as panels of one register tile each, as equal as can be.
template <typename T>
STROP_HD Index panel_width(Index columns) {
  constexpr Index kW = kColumnsOfTile<T>;
  const Index panels = (columns + kW - 1) / kW;
  return panels == 0 ? kW : panel_stride<T>((columns + panels - 1) / panels);
}

template <typename T>
STROP_HD const TileKernel<T>* kernels_of(Index width) {
  return tiles_of<T, Reads::kRuns, false>(shape_of<T>(int(width)));
}

}  // namespace
}  // namespace strop::cpu::STROP_ISA
