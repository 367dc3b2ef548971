// Layer normalization of (rows, width), a few rows at a time while they are in
// cache. Bound by memory: forward reads x and writes out, 8 bytes per element,
// backward reads grad and x and writes grad_x, 12 bytes. Within a row every
// step waits for the one before, so that many rows must be under way.

#include "kernels/layer_norm.h"

#include "cpu/channels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"

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

// Mean and variance from the distances from a middle, which a part of the row
// has told: the mean need not be known before.
template <typename T>
STROP_HD void moments(const T* x, Index n, double middle, double& mean,
                      double& variance) {
  const T start = T(middle);
  const Lanes<T> from = spread(start);
  double sum, square;
  two_sums<T>(n, sum, square,
              [=](Index i, Index left) __attribute__((always_inline)) {
                const Lanes<T> apart = load_lanes(x + i, left, start) - from;
                return Sums<T>{apart, apart * apart};
              });
  const double each = sum / double(n);
  const double rest = square / double(n) - each * each;
  mean = double(start) + each;
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
        const Index part = n < kBlock ? n : kBlock;
        for (Index row = begin; row < end; ++row) {
          a.mean[row] = lane_sum<false>(a.x + row * n, part) / double(part);
        }
        for (Index row = begin; row < end; ++row) {
          moments(a.x + row * n, n, a.mean[row], a.mean[row], a.variance[row]);
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

// The rows [begin, end), at most kMostRows; sums (2, width) take their
// gradients of gamma and beta.
template <typename T>
void backward_block(const LayerNormBackward<T>& a, Index begin, Index end,
                    double* sums) {
  Scale<T> scales[kMostRows];
  Slope<T> slopes[kMostRows];
  for (Index row = begin; row < end; ++row) {
    scales[row - begin] = scale_of<T>(a.mean[row], a.variance[row], a.epsilon);
  }
  if (a.grad_x != nullptr) {
    for (Index row = begin; row < end; ++row) {
      slopes[row - begin] = slope_of(a, row, scales[row - begin]);
    }
  }
  for_channels<T>(
      a.width, false, [&](Index c, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V by_gamma{}, by_beta{};
        V gamma = V{} + T(1);
        if (a.gamma != nullptr) gamma = load<V>(a.gamma + c);
        for (Index row = begin; row < end; ++row) {
          const Index at = row * a.width + c;
          const Scale<T>& s = scales[row - begin];
          const V g = load<V>(a.grad + at);
          const V apart = load<V>(a.x + at) - s.center;
          by_gamma += g * (apart * s.inverse + s.shift);
          by_beta += g;
          if (a.grad_x == nullptr) continue;
          const Slope<T>& p = slopes[row - begin];
          store(a.grad_x + at,
                (g * gamma) * s.inverse + (apart * p.slope + p.offset));
        }
        constexpr Index kEach = sizeof(V) / sizeof(T);
        T ends[2 * kEach];
        store(ends, by_gamma);
        store(ends + kEach, by_beta);
        for (Index k = 0; k < kEach; ++k) {
          sums[c + k] += double(ends[k]);
          sums[a.width + c + k] += double(ends[kEach + k]);
        }
      });
}

template <typename T>
void backward(const LayerNormBackward<T>& args) {
  const LayerNormBackward<T> a = args;
  const Index block = layer_norm_block(a.width);
  const Index rows = layer_norm_chunk(a.rows, a.width);
  const Index sums = 2 * a.width;
  parallel_for(a.rows, rows, nanoseconds(a.rows, a.width, 8),
               [=](Index begin, Index end) {
                 double* own = a.workspace + begin / rows * sums;
                 for (Index i = 0; i < sums; ++i) own[i] = 0;
                 for (Index row = begin; row < end; row += block) {
                   backward_block(a, row, row + block < end ? row + block : end,
                                  own);
                 }
               });
  const Index chunks = (a.rows + rows - 1) / rows;
  for (Index c = 0; c < a.width; ++c) {
    double gamma = 0, beta = 0;
    for (Index i = 0; i < chunks; ++i) {
      gamma += a.workspace[i * sums + c];
      beta += a.workspace[i * sums + a.width + c];
    }
    a.grad_gamma[c] = T(gamma);
    a.grad_beta[c] = T(beta);
  }
}

}  // namespace

void layer_norm(const LayerNorm<float>& a) { forward(a); }
void layer_norm(const LayerNorm<double>& a) { forward(a); }
void layer_norm_backward(const LayerNormBackward<float>& a) { backward(a); }
void layer_norm_backward(const LayerNormBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
