// Elementwise losses with their gradients in one pass: 12 bytes per element, or
// the exponential and logarithm of the cross-entropy. Partial sums over fixed
// chunks make the value independent of the threads.

#include "math/loss.h"

#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "kernels/loss.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kBlock = 512;  // terms held at a time: 2 KB, well inside L1

template <PointwiseLoss L, bool kProbabilities, typename T>
void block(const T* __restrict pred, const T* __restrict target,
           T* __restrict grad, T* __restrict probabilities, T* __restrict terms,
           Index n) {
  for (Index i = 0; i < n; ++i) {
    LossTerm<T> term;
    if constexpr (L == PointwiseLoss::kMeanSquaredError) {
      term = squared_error(pred[i], target[i]);
    } else if constexpr (L == PointwiseLoss::kMeanAbsoluteError) {
      term = absolute_error(pred[i], target[i]);
    } else {
      T probability;
      term = binary_cross_entropy(pred[i], target[i], probability);
      if constexpr (kProbabilities) probabilities[i] = probability;
    }
    terms[i] = term.value;
    grad[i] = term.slope;
  }
}

// weights[i] = weight of the row of element begin + i.
template <typename T>
void spread_weights(const T* weight, Index width, Index begin, Index n,
                    T* weights) {
  Index row = begin / width;
  Index left = width - begin % width;
  for (Index i = 0; i < n; ++i) {
    weights[i] = weight[row];
    if (--left == 0) {
      ++row;
      left = width;
    }
  }
}

template <PointwiseLoss L, bool kProbabilities, typename T>
void run(const PointwiseLossArgs<T>& args) {
  const PointwiseLossArgs<T> a = args;
  const Index size = a.rows * a.width;
  const T scale = T(1.0 / double(size));
  constexpr bool kCheap = L != PointwiseLoss::kBinaryCrossEntropy;
  parallel_for(
      size, kLossChunk, kCheap ? size / 5 : size, [=](Index begin, Index end) {
        T terms[kBlock];
        T weights[kBlock];
        double sum = 0;
        for (Index i = begin; i < end; i += kBlock) {
          const Index n = end - i < kBlock ? end - i : kBlock;
          T* grad = a.grad + i;
          block<L, kProbabilities>(
              a.pred + i, a.target + i, grad,
              kProbabilities ? a.probabilities + i : nullptr, terms, n);
          if (a.weight != nullptr) {
            spread_weights(a.weight, a.width, i, n, weights);
            for (Index k = 0; k < n; ++k) {
              terms[k] *= weights[k];
              grad[k] *= weights[k] * scale;
            }
          } else {
            for (Index k = 0; k < n; ++k) grad[k] *= scale;
          }
          sum += lane_sum<false>(terms, n);
        }
        a.partials[begin / kLossChunk] = sum;
      });
}

template <typename T>
void choose(const PointwiseLossArgs<T>& a) {
  switch (a.which) {
    case PointwiseLoss::kMeanSquaredError:
      return run<PointwiseLoss::kMeanSquaredError, false>(a);
    case PointwiseLoss::kMeanAbsoluteError:
      return run<PointwiseLoss::kMeanAbsoluteError, false>(a);
    case PointwiseLoss::kBinaryCrossEntropy:
      return a.probabilities == nullptr
                 ? run<PointwiseLoss::kBinaryCrossEntropy, false>(a)
                 : run<PointwiseLoss::kBinaryCrossEntropy, true>(a);
  }
}

}  // namespace

void pointwise_loss(const PointwiseLossArgs<float>& a) { choose(a); }
void pointwise_loss(const PointwiseLossArgs<double>& a) { choose(a); }

}  // namespace strop::cpu::STROP_ISA
