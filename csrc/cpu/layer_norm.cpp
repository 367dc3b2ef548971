// Layer normalization of (rows, width), a few rows at a time while they are in
// cache. Bound by memory: forward reads x and writes out, 8 bytes per element,
// backward reads grad and x and writes grad_x, 12 bytes. Within a row every
// step waits for the one before, so that many rows must be under way.

#include "kernels/layer_norm.h"

#include "cpu/layer_norm_sums.h"
#include "cpu/parallel.h"
#include "cpu/stream.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kMostRows = 64;

// Rows that are written together, so that what a column has is loaded once.
// What is streamed goes row by row: to several places it takes twice as long.
constexpr Index kRows = 4;

STROP_HD Index nanoseconds(Index rows, Index width, Index arrays) {
  return rows * (20 + width * arrays / 10);
}

// Whether the elements of a column lie in the same set of L1, which holds 8 or
// 12: then rows go one by one, and backward of (128, 1024) takes 36 us, not 52.
template <typename T>
STROP_HD bool share_lines(Index width) {
  return width * Index(sizeof(T)) % 4096 == 0;
}

// out = ((x - center) * inverse + shift) * gamma + beta. What the type cannot
// hold of the mean goes to the shift.
template <typename T>
struct Scale {
  T center, inverse, shift;
};

template <typename T>
STROP_HD Scale<T> scale_of(double mean, double variance, double epsilon) {
  const double inverse = 1.0 / square_root(variance + epsilon);
  const T center = T(mean);
  return {center, T(inverse), T((double(center) - mean) * inverse)};
}

// The results of K rows: at once, since gamma and beta are loaded for each.
template <int K, typename T>
STROP_HD void normalize(const LayerNorm<T>& a, Index row, bool streams) {
  const Index n = a.width;
  const T* x = a.x + row * n;
  T* out = a.out + row * n;
  Scale<T> scales[K];
  for (int k = 0; k < K; ++k) {
    scales[k] = scale_of<T>(a.mean[row + k], a.variance[row + k], a.epsilon);
  }
  for_channels<T>(
      n, false, [&](Index c, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V gamma = V{} + T(1), beta = V{};
        if (a.gamma != nullptr) gamma = load<V>(a.gamma + c);
        if (a.beta != nullptr) beta = load<V>(a.beta + c);
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k) {
          const Scale<T>& s = scales[k];
          const V apart = load<V>(x + k * n + c) - s.center;
          put(out + k * n + c, (apart * s.inverse + s.shift) * gamma + beta,
              streams);
        }
      });
}

template <typename T>
void forward(const LayerNorm<T>& args) {
  const LayerNorm<T> a = args;
  if (a.width == 0) {
    for (Index i = 0; i < a.rows; ++i) a.mean[i] = a.variance[i] = 0;
    return;
  }
  const Index fitting = kRows * (1 + 2048 / kRows / (a.width + 1));
  const Index block = fitting < kMostRows ? fitting : kMostRows;
  const bool streams =
      is_far(a.out, a.rows * a.width) && fills_lines(a.out, a.width);
  const bool together = !streams && !share_lines<T>(a.width);
  parallel_for(a.rows, block, nanoseconds(a.rows, a.width, 4),
               [=](Index begin, Index end) {
                 for (Index row = begin; row < end; row += kTogether) {
                   moments(a, row, end - 1);
                 }
                 Index row = begin;
                 for (; row + kRows <= end && together; row += kRows) {
                   normalize<kRows>(a, row, false);
                 }
                 for (; row < end; ++row) normalize<1>(a, row, streams);
                 if (streams) drain();
               });
}

// What a row adds to the gradient by x: (x - center) * slope + offset.
template <typename T>
struct Slope {
  T slope, offset;
};

// Of the rows first + k to first + last, with scales and slopes of these.
template <typename T>
STROP_HD void find_slopes(const LayerNormBackward<T>& a, Index first, Index k,
                          Index last, const Scale<T>* scales,
                          Slope<T>* slopes) {
  const Index n = a.width;
  const T* gamma = a.gamma;
  const T *grad[kTogether], *x[kTogether];
  T center[kTogether];
  for (int j = 0; j < kTogether; ++j) {
    const Index at = at_most(k + j, last);
    grad[j] = a.grad + (first + at) * n;
    x[j] = a.x + (first + at) * n;
    center[j] = scales[at].center;
  }
  double sum[kTogether], product[kTogether];
  two_sums<T>(n, sum, product,
              [&](int j, Index i, Index left) __attribute__((always_inline)) {
                Lanes<T> g = load_lanes(grad[j] + i, left, T(0));
                if (gamma != nullptr) g = g * load_lanes(gamma + i, left, T(0));
                const Lanes<T> apart =
                    load_lanes(x[j] + i, left, center[j]) - spread(center[j]);
                return Sums<T>{g, g * apart};
              });
  for (int j = 0; j < kTogether; ++j) {
    const Index at = at_most(k + j, last), row = first + at;
    const double rest = a.mean[row] - double(center[j]);
    const double inverse = 1.0 / square_root(a.variance[row] + a.epsilon);
    const double share = inverse / double(n);
    const double slope =
        -(product[j] - rest * sum[j]) * inverse * inverse * share;
    slopes[at] = {T(slope), T(-sum[j] * share - slope * rest)};
  }
}

// The gradients by x of K rows, and what they add to those of gamma and beta:
// K at once, since a sum in memory is loaded and stored for each.
template <int K, typename T>
void backward_rows(const LayerNormBackward<T>& a, Index row,
                   const Scale<T>* scales, const Slope<T>* slopes, T* sums,
                   bool streams) {
  const Index n = a.width;
  const T* grad = a.grad + row * n;
  const T* x = a.x + row * n;
  T* grad_x = a.grad_x == nullptr ? nullptr : a.grad_x + row * n;
  for_channels<T>(
      n, false, [=](Index c, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V by_gamma = load<V>(sums + c), by_beta = load<V>(sums + n + c);
        V gamma = V{} + T(1);
        if (a.gamma != nullptr) gamma = load<V>(a.gamma + c);
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k) {
          const Scale<T>& s = scales[k];
          const V g = load<V>(grad + k * n + c);
          const V apart = load<V>(x + k * n + c) - s.center;
          by_gamma += g * (apart * s.inverse + s.shift);
          by_beta += g;
          if (grad_x == nullptr) continue;
          put(grad_x + k * n + c,
              (g * gamma) * s.inverse +
                  (apart * slopes[k].slope + slopes[k].offset),
              streams);
        }
        store(sums + c, by_gamma);
        store(sums + n + c, by_beta);
      });
}

// The rows [begin, end), kNormBlock at most: their sums to `sums` (2, width).
template <typename T>
void backward_block(const LayerNormBackward<T>& a, Index begin, Index end,
                    double* sums, bool streams) {
  T* own = reinterpret_cast<T*>(sums + 2 * a.width);
  for (Index i = 0; i < 2 * a.width; ++i) own[i] = T(0);
  const bool together = !streams && !share_lines<T>(a.width);
  // As many rows as leave x and grad in L1.
  const Index fitting = (1 + 1024 / (a.width + 1)) * kRows;
  Scale<T> scales[kNormBlock];
  Slope<T> slopes[kNormBlock] = {};
  for (Index first = begin; first < end; first += fitting) {
    const Index count = end - first < fitting ? end - first : fitting;
    for (Index k = 0; k < count; ++k) {
      const Index row = first + k;
      scales[k] = scale_of<T>(a.mean[row], a.variance[row], a.epsilon);
    }
    Index k = 0;
    for (; a.grad_x != nullptr && k < count; k += kTogether) {
      find_slopes(a, first, k, count - 1, scales, slopes);
    }
    k = 0;
    for (; k + kRows <= count && together; k += kRows) {
      backward_rows<kRows>(a, first + k, scales + k, slopes + k, own, streams);
    }
    for (; k < count; ++k) {
      backward_rows<1>(a, first + k, scales + k, slopes + k, own, streams);
    }
  }
  for (Index i = 0; i < 2 * a.width; ++i) sums[i] += double(own[i]);
}

template <typename T>
void backward(const LayerNormBackward<T>& args) {
  const LayerNormBackward<T> a = args;
  const Index rows = layer_norm_chunk(a.rows);
  const Index sums = 4 * a.width;  // and those of a block
  const bool streams = a.grad_x != nullptr &&
                       is_far(a.grad_x, a.rows * a.width) &&
                       fills_lines(a.grad_x, a.width);
  parallel_for(a.rows, rows, nanoseconds(a.rows, a.width, 8),
               [=](Index begin, Index end) {
                 double* own = a.workspace + begin / rows * sums;
                 for (Index i = 0; i < 2 * a.width; ++i) own[i] = 0;
                 for (Index row = begin; row < end; row += kNormBlock) {
                   const Index last = row + kNormBlock;
                   backward_block(a, row, last < end ? last : end, own,
                                  streams);
                 }
                 if (streams) drain();
               });
  const Index chunks = (a.rows + rows - 1) / rows;
  double* total = a.workspace;  // that of the first chunk
  for (Index chunk = 1; chunk < chunks; ++chunk) {
    const double* more = a.workspace + chunk * sums;
    for (Index i = 0; i < 2 * a.width; ++i) total[i] += more[i];
  }
  for (Index c = 0; c < a.width; ++c) {
    a.grad_gamma[c] = chunks == 0 ? T(0) : T(total[c]);
    a.grad_beta[c] = chunks == 0 ? T(0) : T(total[a.width + c]);
  }
}

}  // namespace

void layer_norm(const LayerNorm<float>& a) { forward(a); }
void layer_norm(const LayerNorm<double>& a) { forward(a); }
void layer_norm_backward(const LayerNormBackward<float>& a) { backward(a); }
void layer_norm_backward(const LayerNormBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
