// Layer normalization of (rows, width), a few rows at a time while they are in
// cache. Bound by memory: forward reads x and writes out, 8 bytes per element,
// backward reads grad and x and writes grad_x, 12 bytes. Within a row every
// step waits for the one before, so that many rows must be under way.

#include "kernels/layer_norm.h"

#include "cpu/channels.h"
#include "cpu/parallel.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kBlock = 4096;  // elements whose sums are in lanes
constexpr Index kMostRows = 64;

STROP_HD Index nanoseconds(Index rows, Index width, Index arrays) {
  return rows * (20 + width * arrays / 10);
}

template <typename T>
struct Sums {
  Lanes<T> first, second;
};

// The sums over n elements of both terms that term(i, left) gives, in double.
template <typename T, typename F>
STROP_HD void two_sums(Index n, double& first, double& second, const F& term) {
  first = second = 0;
  for (Index begin = 0; begin < n; begin += kBlock) {
    const Index end = begin + kBlock < n ? begin + kBlock : n;
    Sums<T> a{}, b{};
    const auto add = [&](Sums<T>& to, Index i, Index left)
                         __attribute__((always_inline)) {
                           const Sums<T> more = term(i, left);
                           to.first = to.first + more.first;
                           to.second = to.second + more.second;
                         };
    Index i = begin;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      add(a, i, kLanes);
      add(b, i + kLanes, kLanes);
    }
    for (; i < end; i += kLanes) {
      add(a, i, end - i < kLanes ? end - i : kLanes);
    }
    first += add_lanes(a.first + b.first);
    second += add_lanes(a.second + b.second);
  }
}

// A number in the middle of a row: the mean of a 64th of it. If that lies far
// from the rest it has its share in the variance, which cancellation then makes
// less exact by a factor of 64 at most.
template <typename T>
STROP_HD T middle_of(const T* x, Index n) {
  if (n <= 64) return x[0];
  const Index part = (n / 64 + kLanes - 1) / kLanes * kLanes;
  Lanes<T> sum{};
  for (Index i = 0; i < part; i += kLanes) {
    sum = sum + load_lanes(x + i, kLanes, T(0));
  }
  return T(add_lanes(sum) / double(part));
}

// Mean and variance of a row, from the distances from its middle.
template <typename T>
STROP_HD void moments(const T* x, Index n, double share, double& mean,
                      double& variance) {
  const T middle = middle_of(x, n);
  const Lanes<T> from = spread(middle);
  double sum, square;
  two_sums<T>(n, sum, square,
              [=](Index i, Index left) __attribute__((always_inline)) {
                const Lanes<T> apart = load_lanes(x + i, left, middle) - from;
                return Sums<T>{apart, apart * apart};
              });
  const double each = sum * share;
  const double rest = square * share - each * each;
  mean = double(middle) + each;
  variance = rest < 0 ? 0 : rest;
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

template <typename T>
void forward(const LayerNorm<T>& args) {
  const LayerNorm<T> a = args;
  if (a.width == 0) {
    for (Index i = 0; i < a.rows; ++i) a.mean[i] = a.variance[i] = 0;
    return;
  }
  const Index fitting = 1 + 2048 / (a.width + 1);
  const Index block = fitting < kMostRows ? fitting : kMostRows;
  parallel_for(
      a.rows, block, nanoseconds(a.rows, a.width, 4),
      [=](Index begin, Index end) {
        const Index n = a.width;
        const double share = 1.0 / double(n);
        for (Index row = begin; row < end; ++row) {
          moments(a.x + row * n, n, share, a.mean[row], a.variance[row]);
        }
        for (Index row = begin; row < end; ++row) {
          const Scale<T> s =
              scale_of<T>(a.mean[row], a.variance[row], a.epsilon);
          const T* x = a.x + row * n;
          T* out = a.out + row * n;
          for_channels<T>(
              n, false, [=](Index c, auto zero) __attribute__((always_inline)) {
                using V = decltype(zero);
                V y = (load<V>(x + c) - s.center) * s.inverse + s.shift;
                if (a.gamma != nullptr) y *= load<V>(a.gamma + c);
                if (a.beta != nullptr) y += load<V>(a.beta + c);
                store(out + c, y);
              });
        }
      });
}

// What a row adds to the gradient by x: (x - center) * slope + offset.
template <typename T>
struct Slope {
  T slope, offset;
};

template <typename T>
STROP_HD Slope<T> slope_of(const LayerNormBackward<T>& a, Index row,
                           const Scale<T>& s) {
  const Index n = a.width;
  const T* grad = a.grad + row * n;
  const T* x = a.x + row * n;
  const T* gamma = a.gamma;
  const Lanes<T> center = spread(s.center);
  double sum, product;
  two_sums<T>(
      n, sum, product, [=](Index i, Index left) __attribute__((always_inline)) {
        Lanes<T> g = load_lanes(grad + i, left, T(0));
        if (gamma != nullptr) {
          g = g * load_lanes(gamma + i, left, T(0));
        }
        const Lanes<T> apart = load_lanes(x + i, left, s.center) - center;
        return Sums<T>{g, g * apart};
      });
  const double rest = a.mean[row] - double(s.center);
  const double inverse = 1.0 / square_root(a.variance[row] + a.epsilon);
  const double share = inverse / double(n);
  const double slope = -(product - rest * sum) * inverse * inverse * share;
  return {T(slope), T(-sum * share - slope * rest)};
}

// The gradients by x of K rows, and what they add to those of gamma and beta:
// K at once, since a sum in memory is loaded and stored for each.
template <int K, typename T>
void backward_rows(const LayerNormBackward<T>& a, Index row,
                   const Scale<T>* scales, const Slope<T>* slopes, T* sums) {
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
          store(grad_x + k * n + c,
                (g * gamma) * s.inverse +
                    (apart * slopes[k].slope + slopes[k].offset));
        }
        store(sums + c, by_gamma);
        store(sums + n + c, by_beta);
      });
}

// The rows [begin, end), kNormBlock at most: their sums to `sums` (2, width).
template <typename T>
void backward_block(const LayerNormBackward<T>& a, Index begin, Index end,
                    double* sums) {
  constexpr Index kRows = 4;
  T* own = reinterpret_cast<T*>(sums + 2 * a.width);
  for (Index i = 0; i < 2 * a.width; ++i) own[i] = T(0);
  // As many rows as leave x and grad in L1.
  const Index fitting = (1 + 1024 / (a.width + 1)) * kRows;
  Scale<T> scales[kNormBlock];
  Slope<T> slopes[kNormBlock] = {};
  for (Index first = begin; first < end; first += fitting) {
    const Index count = end - first < fitting ? end - first : fitting;
    for (Index k = 0; k < count; ++k) {
      const Index row = first + k;
      scales[k] = scale_of<T>(a.mean[row], a.variance[row], a.epsilon);
      if (a.grad_x != nullptr) slopes[k] = slope_of(a, row, scales[k]);
    }
    Index k = 0;
    for (; k + kRows <= count; k += kRows) {
      backward_rows<kRows>(a, first + k, scales + k, slopes + k, own);
    }
    for (; k < count; ++k) {
      backward_rows<1>(a, first + k, scales + k, slopes + k, own);
    }
  }
  for (Index i = 0; i < 2 * a.width; ++i) sums[i] += double(own[i]);
}

template <typename T>
void backward(const LayerNormBackward<T>& args) {
  const LayerNormBackward<T> a = args;
  const Index rows = layer_norm_chunk(a.rows);
  const Index sums = 4 * a.width;  // and those of a block
  parallel_for(a.rows, rows, nanoseconds(a.rows, a.width, 8),
               [=](Index begin, Index end) {
                 double* own = a.workspace + begin / rows * sums;
                 for (Index i = 0; i < 2 * a.width; ++i) own[i] = 0;
                 for (Index row = begin; row < end; row += kNormBlock) {
                   const Index last = row + kNormBlock;
                   backward_block(a, row, last < end ? last : end, own);
                 }
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
