// Softmax, its logarithm and their gradients, a row at a time while it is in
// L1: the greatest logit, the exponentials, their sum. Bound by the exponential
// (20 instructions for 16 logits); short rows use the lanes that they have.

#include "kernels/softmax.h"

#include "cpu/softmax_rows.h"

namespace strop::cpu::STROP_ISA {
namespace {

Index rows_per_chunk(Index classes) { return 1 + 4096 / (classes + 1); }

template <bool kLog, typename T>
STROP_HD void forward_rows(const SoftmaxForward<T>& a, Index begin, Index end) {
  const Index classes = a.classes;
  const Index rows = rows_at_once(classes);
  RowSums<T> sums;
  for (Index first = begin; first < end; first += rows) {
    const Index count = end - first < rows ? end - first : rows;
    const T* x = a.x + first * classes;
    T* out = a.out + first * classes;
    // For the logarithms the exponentials are needed for their sum only.
    take_rows(sums, x, kLog ? nullptr : out, count, classes);
    const T* exps = classes < kShortRow ? sums.scratch : out;
    for (Index k = 0; k < count; ++k) {
      const T* from = (kLog ? x : exps) + k * classes;
      T* to = out + k * classes;
      const Lanes<T> top = spread(sums.top[k]);
      const Lanes<T> shift = spread(T(sums.log_sum[k]));
      const Lanes<T> factor = spread(T(sums.inverse[k]));
      for_lanes(classes, [=](Index i, Index n) __attribute__((always_inline)) {
        const Lanes<T> v = load_lanes(from + i, n, T(0));
        store_lanes(to + i, kLog ? (v - top) - shift : v * factor, n);
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
                   forward_rows<true>(a, begin, end);
                 } else {
                   forward_rows<false>(a, begin, end);
                 }
               });
}

// softmax: y (g - <g, y>); log_softmax: g - e sum(g) with e = e^y.
template <bool kLog, typename T>
STROP_HD Lanes<T> gradient(const Lanes<T>& g, const Lanes<T>& y,
                           const Lanes<T>& total) {
  return kLog ? g - y * total : y * (g - total);
}

// Of n elements of a row or of several: grad_x for y or e.
template <bool kLog, typename T>
STROP_HD void gradients(const T* g, const T* y, T* grad_x, Index n, T total) {
  const Lanes<T> totals = spread(total);
  for_lanes(n, [=](Index i, Index left) __attribute__((always_inline)) {
    store_lanes(grad_x + i,
                gradient<kLog>(load_lanes(g + i, left, T(0)),
                               load_lanes(y + i, left, T(0)), totals),
                left);
  });
}

// A block of rows at once, as in the forward pass.
template <bool kLog, typename T>
void backward_rows(const SoftmaxBackward<T>& a, Index begin, Index end) {
  const Index classes = a.classes;
  const Index rows = rows_at_once(classes);
  T totals[kRowBlock];
  T scratch[kLog ? kScratch : 1];
  for (Index first = begin; first < end; first += rows) {
    const Index count = end - first < rows ? end - first : rows;
    const T* grad = a.grad + first * classes;
    const T* out = a.out + first * classes;
    T* grad_x = a.grad_x + first * classes;
    for (Index k = 0; k < count; ++k) {
      const T* g = grad + k * classes;
      const T* y = out + k * classes;
      totals[k] = T(sum_terms<T>(
          classes, [=](Index i, Index left) __attribute__((always_inline)) {
            const Lanes<T> x = load_lanes(g + i, left, T(0));
            return kLog ? x : x * load_lanes(y + i, left, T(0));
          }));
    }
    if (kLog && classes < kShortRow) {
      exponentials(out, scratch, count * classes, T(0));
    }
    for (Index k = 0; k < count; ++k) {
      const Index at = k * classes;
      if (!kLog || classes < kShortRow) {
        gradients<kLog>(grad + at, (kLog ? scratch : out) + at, grad_x + at,
                        classes, totals[k]);
        continue;
      }
      for (Index i = at; i < at + classes; i += kPiece) {
        const Index left = at + classes - i;
        const Index n = left < kPiece ? left : kPiece;
        exponentials(out + i, scratch, n, T(0));
        gradients<kLog>(grad + i, scratch, grad_x + i, n, totals[k]);
      }
    }
  }
}

// Rows of one class, each its own total.
template <bool kLog, typename T>
void backward_of_one(const SoftmaxBackward<T>& a) {
  for (Index i = 0; i < a.rows; ++i) {
    const T g = a.grad[i];
    const T y = a.out[i];
    a.grad_x[i] = kLog ? g - strop::exponential(y) * g : y * (g - g * y);
  }
}

template <typename T>
void backward(const SoftmaxBackward<T>& args) {
  const SoftmaxBackward<T> a = args;
  if (a.classes == 1) {
    return a.log ? backward_of_one<true>(a) : backward_of_one<false>(a);
  }
  parallel_for(a.rows, rows_per_chunk(a.classes),
               softmax_nanoseconds(a.rows, a.classes),
               [=](Index begin, Index end) {
                 if (a.log) {
                   backward_rows<true>(a, begin, end);
                 } else {
                   backward_rows<false>(a, begin, end);
                 }
               });
}

// A chunk of 64 such rows is worth sharing itself.
constexpr Index kManyClasses = 2048;

template <typename T>
double chunk_of_long_rows(const SoftmaxCrossEntropy<T>& a, Index first) {
  const Index left = a.rows - first;
  const Index rows = left < kSoftmaxChunk ? left : kSoftmaxChunk;
  double losses[kSoftmaxChunk];
  double* to = losses;
  const SoftmaxCrossEntropy<T>* args = &a;
  parallel_for(rows, 1, softmax_nanoseconds(rows, a.classes),
               [=](Index begin, Index end) {
                 for (Index k = begin; k < end; ++k) {
                   to[k] = cross_entropy_rows(*args, first + k, first + k + 1);
                 }
               });
  double sum = 0;
  for (Index k = 0; k < rows; ++k) sum += losses[k];
  return sum;
}

template <typename T>
void cross_entropy(const SoftmaxCrossEntropy<T>& args) {
  const SoftmaxCrossEntropy<T> a = args;
  if (a.classes >= kManyClasses) {
    for (Index first = 0; first < a.rows; first += kSoftmaxChunk) {
      a.partials[first / kSoftmaxChunk] = chunk_of_long_rows(a, first);
    }
    return;
  }
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
