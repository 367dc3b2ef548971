// The greatest and the mean of windows over the middle axes of (N, H, W, C), 16
// channels at a time. Bound by memory: forward reads x and writes a part of it,
// backward writes grad_x and, for the greatest, reads x again. To keep places
// would save that reading, a third of both passes, at the price of one more
// array; the layer before keeps x in any case.

#include "kernels/pool.h"

#include "cpu/channels.h"
#include "cpu/parallel.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kSumBlock = 32;      // terms that are added as a chain
constexpr Index kChannelBlock = 64;  // where windows overlap

struct Range {
  Index begin, end;
};

// What x has of a window along one axis.
STROP_HD Range part_of(Index at, Index stride, Index pad, Index window,
                       Index size) {
  const Index first = at * stride - pad;
  const Index last = first + window;
  return {first > 0 ? first : 0, last < size ? last : size};
}

struct Part {
  Range rows, columns;
  Index row_step, column_step;  // elements
};

STROP_HD Part part_at(const PoolWindows& w, Index row, Index column) {
  return {part_of(row, w.stride_height, w.pad_top, w.window_height, w.height),
          part_of(column, w.stride_width, w.pad_left, w.window_width, w.width),
          w.width * w.channels, w.channels};
}

STROP_HD Index count_of(const Part& p) {
  return (p.rows.end - p.rows.begin) * (p.columns.end - p.columns.begin);
}

// Calls f(element) for each element of a part, in rows; `at` is that of the
// first place of the image.
template <typename F>
STROP_HD void for_part(const Part& p, Index at, const F& f) {
  for (Index y = p.rows.begin; y < p.rows.end; ++y) {
    const Index line = at + y * p.row_step;
    for (Index x = p.columns.begin; x < p.columns.end; ++x) {
      f(line + x * p.column_step);
    }
  }
}

template <typename V, typename T>
STROP_HD V greatest_of(const T* x, Index at, const Part& p) {
  V best = V{} - T(__builtin_inf());
  for_part(p, at, [&](Index i) __attribute__((always_inline)) {
    const V v = load<V>(x + i);
    best = v > best ? v : best;
    best = v == v ? best : v;
  });
  return best;
}

template <typename V, typename T>
STROP_HD V mean_of(const T* x, Index at, const Part& p) {
  V total{};
  for (Index y = p.rows.begin; y < p.rows.end; ++y) {
    const T* line = x + at + y * p.row_step;
    for (Index first = p.columns.begin; first < p.columns.end;
         first += kSumBlock) {
      const Index left = p.columns.end - first;
      const Index end = first + (left < kSumBlock ? left : kSumBlock);
      V sum{};
      for (Index i = first; i < end; ++i) {
        sum += load<V>(line + i * p.column_step);
      }
      total += sum;
    }
  }
  return total / T(count_of(p));
}

// Calls f(channel, zero, done) as for_channels, but that the last register goes
// back as far as it needs to be full: of its channels the first `done` were in
// the one before. Of 25 channels 9 would go one by one, three times as slow.
template <typename T, typename F>
STROP_HD void for_full_registers(Index channels, bool by_one, const F& f) {
  using V = typename RegisterOf<T>::Type;
  constexpr Index kEach = sizeof(V) / sizeof(T);
  if (by_one || channels < kEach) {
    for (Index c = 0; c < channels; ++c) f(c, T{}, Index{0});
    return;
  }
  for (Index c = 0; c < channels; c += kEach) {
    const Index over = c + kEach - channels;
    f(over > 0 ? c - over : c, V{}, over > 0 ? over : Index{0});
  }
}

// About 0.15 ns for each element of a window.
STROP_HD Index nanoseconds(const PoolWindows& w) {
  const Index results = w.batch * w.out_height * w.out_width * w.channels;
  return results * (1 + w.window_height * w.window_width / 6);
}

template <Pool P, typename T>
void forward(const PoolForward<T>& args) {
  const PoolForward<T> a = args;
  const PoolWindows& windows = a.windows;
  const Index lines = windows.batch * windows.out_height;
  const Index width = windows.out_width * windows.channels;
  parallel_for(
      lines, 1 + 2048 / (width + 1), nanoseconds(windows),
      [=](Index begin, Index end) {
        const PoolWindows w = a.windows;
        for (Index line = begin; line < end; ++line) {
          const Index image = line / w.out_height;
          const Index at = image * w.height * w.width * w.channels;
          T* out = a.out + line * width;
          for (Index column = 0; column < w.out_width; ++column) {
            const Part p = part_at(w, line % w.out_height, column);
            T* to = out + column * w.channels;
            for_full_registers<T>(
                w.channels, false,
                [=](Index c, auto zero, Index) __attribute__((always_inline)) {
                  using V = decltype(zero);
                  store(to + c, P == Pool::kMax ? greatest_of<V>(a.x, at + c, p)
                                                : mean_of<V>(a.x, at + c, p));
                });
          }
        }
      });
}

template <typename V, typename T>
STROP_HD void give(T* to, const V& share, bool add) {
  store(to, add ? load<V>(to) + share : share);
}

// What a window gives; nothing for the first `done` channels, which have it.
template <typename V, typename T>
STROP_HD V gift(const T* grad, Index done) {
  V share = load<V>(grad);
  if constexpr (sizeof(V) > sizeof(T)) {
    for (Index i = 0; i < done; ++i) share[i] = T(0);
  }
  return share;
}

// The gradient of the greatest to the first that equals it. Where that is NaN,
// which only the form for one channel looks for, the first NaN has it.
template <typename V, typename T>
STROP_HD void give_to_greatest(const PoolBackward<T>& a, Index from, Index at,
                               const Part& p, bool add, Index done) {
  V left = gift<V>(a.grad + from, add ? done : 0);
  const V best = load<V>(a.out + from);
  for_part(p, at, [&](Index i) __attribute__((always_inline)) {
    const V v = load<V>(a.x + i);
    if constexpr (sizeof(V) == sizeof(T)) {
      const bool here = v == best || (best != best && v != v);
      give(a.grad_x + i, here ? left : V(0), add);
      left = here ? V(0) : left;
    } else {
      give(a.grad_x + i, v == best ? left : V{}, add);
      left = v == best ? V{} : left;
    }
  });
}

template <typename V, typename T>
STROP_HD void give_to_all(const PoolBackward<T>& a, Index from, Index at,
                          const Part& p, bool add, Index done) {
  const V share = gift<V>(a.grad + from, add ? done : 0) / T(count_of(p));
  for_part(p, at, [&](Index i) __attribute__((always_inline)) {
    give(a.grad_x + i, share, add);
  });
}

template <typename T>
STROP_HD bool any_nan(const T* x, Index n) {
  int odd = 0;
  for (Index i = 0; i < n; ++i) odd |= x[i] != x[i];
  return odd != 0;
}

// Rows of x by rows of windows: channels [first, last) of an image.
template <Pool P, typename T>
void give_back(const PoolBackward<T>& a, Index image, Range lines, Range rows,
               Index first, Index last) {
  const PoolWindows& w = a.windows;
  const bool add =
      w.stride_height < w.window_height || w.stride_width < w.window_width;
  const bool covered = !add && w.stride_height == w.window_height &&
                       w.stride_width == w.window_width &&
                       w.out_width * w.stride_width - w.pad_left >= w.width &&
                       lines.end * w.stride_height - w.pad_top >= rows.end;
  const Index origin = image * w.height * w.width * w.channels;
  if (!covered) {
    for (Index i = rows.begin * w.width; i < rows.end * w.width; ++i) {
      __builtin_memset(a.grad_x + origin + i * w.channels + first, 0,
                       std::size_t(last - first) * sizeof(T));
    }
  }
  for (Index line = lines.begin; line < lines.end; ++line) {
    for (Index column = 0; column < w.out_width; ++column) {
      const Part p = part_at(w, line, column);
      const Index from =
          ((image * w.out_height + line) * w.out_width + column) * w.channels +
          first;
      const Index at = origin + first;
      const bool odd = P == Pool::kMax && any_nan(a.out + from, last - first);
      for_full_registers<T>(
          last - first, odd,
          [&](Index c, auto zero, Index done) __attribute__((always_inline)) {
            using V = decltype(zero);
            if constexpr (P == Pool::kMax) {
              give_to_greatest<V>(a, from + c, at + c, p, add, done);
            } else {
              give_to_all<V>(a, from + c, at + c, p, add, done);
            }
          });
    }
  }
}

template <Pool P, typename T>
void backward(const PoolBackward<T>& args) {
  const PoolBackward<T> a = args;
  const PoolWindows w = a.windows;
  if (w.stride_height < w.window_height) {  // rows of windows share rows of x
    const Index blocks = (w.channels + kChannelBlock - 1) / kChannelBlock;
    parallel_for(
        w.batch * blocks, 1, 2 * nanoseconds(w), [=](Index begin, Index end) {
          const PoolWindows v = a.windows;
          for (Index task = begin; task < end; ++task) {
            const Index first = task % blocks * kChannelBlock;
            const Index left = v.channels - first;
            give_back<P>(a, task / blocks, {0, v.out_height}, {0, v.height},
                         first,
                         first + (left < kChannelBlock ? left : kChannelBlock));
          }
        });
    return;
  }
  // A row of windows has its own rows of x, the last one all that follow.
  const Index width = w.width * w.channels;
  parallel_for(w.batch * w.out_height, 1 + 2048 / (width + 1),
               2 * nanoseconds(w), [=](Index begin, Index end) {
                 const PoolWindows v = a.windows;
                 for (Index task = begin; task < end; ++task) {
                   const Index line = task % v.out_height;
                   const Index top = line * v.stride_height - v.pad_top;
                   const Index next = top + v.stride_height;
                   give_back<P>(a, task / v.out_height, {line, line + 1},
                                {top > 0 ? top : 0,
                                 line + 1 < v.out_height ? next : v.height},
                                0, v.channels);
                 }
               });
}

template <typename T>
void choose(const PoolForward<T>& a) {
  return a.which == Pool::kMax ? forward<Pool::kMax>(a)
                               : forward<Pool::kAverage>(a);
}

template <typename T>
void choose(const PoolBackward<T>& a) {
  return a.which == Pool::kMax ? backward<Pool::kMax>(a)
                               : backward<Pool::kAverage>(a);
}

}  // namespace

void pool_forward(const PoolForward<float>& a) { choose(a); }
void pool_forward(const PoolForward<double>& a) { choose(a); }
void pool_backward(const PoolBackward<float>& a) { choose(a); }
void pool_backward(const PoolBackward<double>& a) { choose(a); }

}  // namespace strop::cpu::STROP_ISA
