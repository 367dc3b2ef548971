// Softmax, its logarithm and their gradients, a row at a time while it is in
// L1: the greatest logit, the exponentials, their sum. Bound by the exponential
// (20 instructions for 16 logits); short rows use the lanes that they have.

#include "cpu/softmax_rows.h"
#include "kernels.h"

namespace strop::cpu::STROP_ISA {
namespace {

Index rows_per_chunk(Index classes) { return 1 + 4096 / (classes + 1); }

template <typename T>
STROP_HD void forward_rows(const SoftmaxForward<T>& a, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* x = a.x + row * a.classes;
    T* out = a.out + row * a.classes;
    const T top = greatest_number(x, a.classes);
    const double sum = exponentials<true>(x, out, a.classes, top);
    const Lanes<T> factor = spread(T(1.0 / sum));
    for_lanes(a.classes, [=](Index i, Index n) __attribute__((always_inline)) {
      store_lanes(out + i, load_lanes(out + i, n, T(0)) * factor, n);
    });
  }
}

template <typename T>
STROP_HD void log_forward_rows(const SoftmaxForward<T>& a, Index begin,
                               Index end) {
  RowSums<T> sums;
  for (Index first = begin; first < end; first += kRowBlock) {
    const Index count = end - first < kRowBlock ? end - first : kRowBlock;
    const T* block = a.x + first * a.classes;
    // The exponentials are needed for their sum only.
    sums.template take<false>(block, static_cast<T*>(nullptr), count, a.classes);
    for (Index k = 0; k < count; ++k) {
      const T* x = block + k * a.classes;
      T* out = a.out + (first + k) * a.classes;
      const Lanes<T> top = spread(sums.top[k]);
      const Lanes<T> shift = spread(T(sums.log_sum[k]));
      for_lanes(a.classes, [=](Index i, Index n)
                               __attribute__((always_inline)) {
        store_lanes(out + i, (load_lanes(x + i, n, T(0)) - top) - shift, n);
      });
    }
  }
}

template <typename T>
void forward(const SoftmaxForward<T>& args) {
  const SoftmaxForward<T> a = args;
  if (a.classes == 0) return;
  if (a.classes == 1) {  // 1 and 0, NaN where x is not finite
    const T sum = a.log ? T(0) : T(1);
    for (Index i = 0; i < a.rows; ++i) a.out[i] = sum + (a.x[i] - a.x[i]);
    return;
  }
  parallel_for(a.rows, rows_per_chunk(a.classes),
               softmax_nanoseconds(a.rows, a.classes),
               [=](Index begin, Index end) {
                 if (a.log) {
                   log_forward_rows(a, begin, end);
                 } else {
                   forward_rows(a, begin, end);
                 }
               });
}

// softmax: y (g - <g, y>); log_softmax: g - e^y sum(g).
template <bool kLog, typename T>
STROP_HD void backward_row(const T* grad, const T* y, T* grad_x, Index n) {
  const double sum = sum_terms<T>(
      n, [=](Index i, Index left) __attribute__((always_inline)) {
        const Lanes<T> g = load_lanes(grad + i, left, T(0));
        return kLog ? g : g * load_lanes(y + i, left, T(0));
      });
  const Lanes<T> total = spread(T(sum));
  for_lanes(n, [=](Index i, Index left) __attribute__((always_inline)) {
    const Lanes<T> g = load_lanes(grad + i, left, T(0));
    const Lanes<T> v = load_lanes(y + i, left, T(0));
    store_lanes(grad_x + i,
                kLog ? g - exponential(v) * total : v * (g - total), left);
  });
}

template <typename T>
void backward(const SoftmaxBackward<T>& args) {
  const SoftmaxBackward<T> a = args;
  parallel_for(a.rows, rows_per_chunk(a.classes),
               softmax_nanoseconds(a.rows, a.classes),
               [=](Index begin, Index end) {
                 for (Index row = begin; row < end; ++row) {
                   const Index at = row * a.classes;
                   if (a.log) {
                     backward_row<true>(a.grad + at, a.out + at, a.grad_x + at,
                                        a.classes);
                   } else {
                     backward_row<false>(a.grad + at, a.out + at, a.grad_x + at,
                                         a.classes);
                   }
                 }
               });
}

template <typename T>
void cross_entropy(const SoftmaxCrossEntropy<T>& args) {
  const SoftmaxCrossEntropy<T> a = args;
  parallel_for(a.rows, kSoftmaxChunk, softmax_nanoseconds(a.rows, a.classes),
               [=](Index begin, Index end) {
                 a.partials[begin / kSoftmaxChunk] =
                     cross_entropy_rows(a, begin, end);
               });
}

}  // namespace

void softmax_forward(const SoftmaxForward<float>& a) { forward(a); }
void softmax_forward(const SoftmaxForward<double>& a) { forward(a); }
void softmax_backward(const SoftmaxBackward<float>& a) { backward(a); }
void softmax_backward(const SoftmaxBackward<double>& a) { backward(a); }
void softmax_cross_entropy(const SoftmaxCrossEntropy<float>& a) {
  cross_entropy(a);
}
void softmax_cross_entropy(const SoftmaxCrossEntropy<double>& a) {
  cross_entropy(a);
}

}  // namespace strop::cpu::STROP_ISA
