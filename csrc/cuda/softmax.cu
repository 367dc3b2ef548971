// Softmax, its logarithm and their gradients. Bound by memory: a row is read
// from it once, 8 bytes per logit of float forward and 12 backward.

#include "cuda/softmax_sums.cuh"
#include "kernels/softmax.h"

namespace strop::cuda {
namespace {

template <typename Row, typename T>
__global__ void __launch_bounds__(Row::kThreads, Row::kBlocks)
    forward(const __grid_constant__ SoftmaxForward<T> a, Rows shape) {
  STROP_SHARED(double, room, kWarp);
  Row row(a.x, shape, room, T(-INFINITY));
  const RowSum<T> s = sum_of(row, !a.log, [](Index, const Pack<T>&) {});
  const T inverse = T(1.0 / s.sum);
  const T log_sum = T(logarithm(s.sum));
  row.each([&](Index c, int, const Pack<T>& x) {
    Pack<T> out;
#pragma unroll
    for (int j = 0; j < Pack<T>::kSize; ++j) {
      out.v[j] = a.log ? x.v[j] - s.top - log_sum
                       : power_of<Row>(x.v[j], s.top) * inverse;
    }
    put(row, a.out, c, out);
  });
}

// softmax: y (g - <g, y>); log_softmax: g - e^y sum(g).
template <typename Row, typename T>
__global__ void __launch_bounds__(Row::kThreads, Row::kBlocks)
    backward(const __grid_constant__ SoftmaxBackward<T> a, Rows shape) {
  STROP_SHARED(double, room, kWarp);
  Row y(a.out, shape, room, T(0)), grad(a.grad, shape, room, T(0));
  T sum = 0;
  if (Row::kKeeps) grad.first([](Index, int, const Pack<T>&) {});
  y.first([&](Index c, int k, const Pack<T>& v) {
    const Pack<T> g = grad.at(c, k);
#pragma unroll
    for (int j = 0; j < Pack<T>::kSize; ++j) {
      sum += a.log ? g.v[j] : g.v[j] * v.v[j];
    }
  });
  const T total = T(y.over(double(sum), Plus{}));
  y.each([&](Index c, int k, const Pack<T>& v) {
    Pack<T> g = grad.at(c, k);
#pragma unroll
    for (int j = 0; j < Pack<T>::kSize; ++j) {
      g.v[j] = a.log ? g.v[j] - exponential(v.v[j]) * total
                     : v.v[j] * (g.v[j] - total);
    }
    put(y, a.grad_x, c, g);
  });
}

template <typename T>
void run(const SoftmaxForward<T>& a, Stream s) {
  const char* op = a.log ? "log_softmax" : "softmax";
  if (a.classes == 0) return;
  with_rows<T>(op, rows_of<T>(a.rows, a.classes, a.x, a.out),
               [&](auto kind, const Rows& shape) {
                 using Row = typename decltype(kind)::Row;
                 launch_with(
                     op, forward<Row, T>, blocks_of_rows<T>(a.rows, a.classes),
                     Row::kThreads, shared_bytes<Row>(shape), s, a, shape);
               });
}

template <typename T>
void run(const SoftmaxBackward<T>& a, Stream s) {
  const char* op = a.log ? "log_softmax_backward" : "softmax_backward";
  if (a.classes == 0) return;
  with_read_rows<T>(rows_of<T>(a.rows, a.classes, a.grad, a.out, a.grad_x),
                    [&](auto kind, const Rows& shape) {
                      using Row = typename decltype(kind)::Row;
                      launch(op, backward<Row, T>,
                             blocks_of_rows<T>(a.rows, a.classes),
                             Row::kThreads, s, a, shape);
                    });
}

}  // namespace

void softmax_forward(const SoftmaxForward<float>& a, Stream s) { run(a, s); }
void softmax_forward(const SoftmaxForward<double>& a, Stream s) { run(a, s); }
void softmax_backward(const SoftmaxBackward<float>& a, Stream s) { run(a, s); }
void softmax_backward(const SoftmaxBackward<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
