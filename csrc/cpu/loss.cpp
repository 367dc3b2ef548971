// Elementwise losses with their gradients in one pass: 12 bytes per element, or
// the exponential and logarithm of the cross-entropy. Partial sums over fixed
// chunks make the value independent of the threads. Of each loss only the loop
// over a block is compiled; what surrounds it is there once per type.

#include "kernels/loss.h"

#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "math/loss.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kBlock = 512;  // terms held at a time: 2 KB, well inside L1

template <PointwiseLoss L, bool kProbabilities, typename T>
void block(const PointwiseLossArgs<T>& a, Index begin, T* __restrict terms,
           Index n) {
  const T* __restrict pred = a.pred + begin;
  const T* __restrict target = a.target + begin;
  T* __restrict grad = a.grad + begin;
  T* __restrict probabilities =
      kProbabilities ? a.probabilities + begin : terms;
  const T delta = a.delta;
  for (Index i = 0; i < n; ++i) {
    T probability;
    const LossTerm<T> term =
        loss_term<L>(pred[i], target[i], delta, probability);
    if constexpr (kProbabilities) probabilities[i] = probability;
    terms[i] = term.value;
    grad[i] = term.slope;
  }
}

template <typename T>
using Block = void (*)(const PointwiseLossArgs<T>&, Index, T*, Index);

template <typename T>
Block<T> block_of(const PointwiseLossArgs<T>& a) {
  using Loss = PointwiseLoss;
  switch (a.which) {
    case Loss::kMeanSquaredError:
      return block<Loss::kMeanSquaredError, false, T>;
    case Loss::kMeanAbsoluteError:
      return block<Loss::kMeanAbsoluteError, false, T>;
    case Loss::kMeanAbsolutePercentageError:
      return block<Loss::kMeanAbsolutePercentageError, false, T>;
    case Loss::kMeanSquaredLogarithmicError:
      return block<Loss::kMeanSquaredLogarithmicError, false, T>;
    case Loss::kHuber:
      return block<Loss::kHuber, false, T>;
    case Loss::kLogCosh:
      return block<Loss::kLogCosh, false, T>;
    case Loss::kPoisson:
      return block<Loss::kPoisson, false, T>;
    case Loss::kHinge:
      return block<Loss::kHinge, false, T>;
    case Loss::kSquaredHinge:
      return block<Loss::kSquaredHinge, false, T>;
    case Loss::kKlDivergence:
      return block<Loss::kKlDivergence, false, T>;
    case Loss::kBinaryCrossEntropy:
      break;
  }
  return a.probabilities == nullptr ? block<Loss::kBinaryCrossEntropy, false, T>
                                    : block<Loss::kBinaryCrossEntropy, true, T>;
}

// Those without a logarithm are bound by memory.
bool is_cheap(PointwiseLoss which) {
  using Loss = PointwiseLoss;
  return which == Loss::kMeanSquaredError ||
         which == Loss::kMeanAbsoluteError ||
         which == Loss::kMeanAbsolutePercentageError || which == Loss::kHuber ||
         which == Loss::kHinge || which == Loss::kSquaredHinge;
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

template <typename T>
void run(const PointwiseLossArgs<T>& args) {
  const PointwiseLossArgs<T> a = args;
  const Block<T> terms_of = block_of(a);
  const Index size = a.rows * a.width;
  const T scale = T(1.0 / double(adds_up(a.which) ? a.rows : size));
  parallel_for(size, kLossChunk, is_cheap(a.which) ? size / 5 : size,
               [=](Index begin, Index end) {
                 T terms[kBlock];
                 T weights[kBlock];
                 double sum = 0;
                 for (Index i = begin; i < end; i += kBlock) {
                   const Index n = end - i < kBlock ? end - i : kBlock;
                   T* grad = a.grad + i;
                   terms_of(a, i, terms, n);
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

}  // namespace

void pointwise_loss(const PointwiseLossArgs<float>& a) { run(a); }
void pointwise_loss(const PointwiseLossArgs<double>& a) { run(a); }

}  // namespace strop::cpu::STROP_ISA
