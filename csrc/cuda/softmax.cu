// Softmax, its logarithm and their gradients. Bound by memory: a row is read
// from it once and from the caches as often as a pass over it needs.

#include "cuda/softmax_rows.cuh"

namespace strop::cuda {
namespace {

template <typename Row, typename T>
__global__ void __launch_bounds__(kBlock)
    forward(const __grid_constant__ SoftmaxForward<T> a) {
  STROP_SHARED(double, room, kBlock / kWarp);
  STROP_SHARED(T, top_room, kBlock / kWarp);
  const Index r = Index{blockIdx.x} * Row::kRows + threadIdx.x / Row::kThreads;
  if (r >= a.rows) return;
  const T* x = a.x + r * a.classes;
  T* out = a.out + r * a.classes;
  const RowSum<T> s = sum_of(Row{}, x, a.classes, room, top_room);
  const T inverse = T(1.0 / s.sum);
  const T log_sum = T(logarithm(s.sum));
  for_columns<Row, T>(a.classes, [&](Index c) {
    const T shifted = x[c] - s.top;
    out[c] = a.log ? shifted - log_sum : exponential_below(shifted) * inverse;
  });
}

// softmax: y (g - <g, y>); log_softmax: g - e^y sum(g).
template <typename Row, typename T>
__global__ void __launch_bounds__(kBlock)
    backward(const __grid_constant__ SoftmaxBackward<T> a) {
  STROP_SHARED(double, room, kBlock / kWarp);
  const Index r = Index{blockIdx.x} * Row::kRows + threadIdx.x / Row::kThreads;
  if (r >= a.rows) return;
  const T* grad = a.grad + r * a.classes;
  const T* y = a.out + r * a.classes;
  T* grad_x = a.grad_x + r * a.classes;
  T sum = 0;
  for_columns<Row, T>(
      a.classes, [&](Index c) { sum += a.log ? grad[c] : grad[c] * y[c]; });
  const T total = T(Row{}.over(double(sum), room, Plus{}));
  for_columns<Row, T>(a.classes, [&](Index c) {
    const T g = grad[c];
    const T v = y[c];
    grad_x[c] = a.log ? g - exponential(v) * total : v * (g - total);
  });
}

template <typename T>
void run(const SoftmaxForward<T>& a, Stream s) {
  const char* op = a.log ? "log_softmax" : "softmax";
  if (a.classes == 0) return;
  if (a.classes <= kWarpClasses) {
    return launch(op, forward<WarpRow, T>, blocks_for(a.rows, WarpRow::kRows),
                  kBlock, s, a);
  }
  launch(op, forward<BlockRow, T>, a.rows, kBlock, s, a);
}

template <typename T>
void run(const SoftmaxBackward<T>& a, Stream s) {
  const char* op = a.log ? "log_softmax_backward" : "softmax_backward";
  if (a.classes == 0) return;
  if (a.classes <= kWarpClasses) {
    return launch(op, backward<WarpRow, T>, blocks_for(a.rows, WarpRow::kRows),
                  kBlock, s, a);
  }
  launch(op, backward<BlockRow, T>, a.rows, kBlock, s, a);
}

}  // namespace

void softmax_forward(const SoftmaxForward<float>& a, Stream s) { run(a, s); }
void softmax_forward(const SoftmaxForward<double>& a, Stream s) { run(a, s); }
void softmax_backward(const SoftmaxBackward<float>& a, Stream s) { run(a, s); }
void softmax_backward(const SoftmaxBackward<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
