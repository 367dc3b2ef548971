#pragma once

// The gradients, included by matmul.cpp after the product itself.

namespace strop::cpu::STROP_ISA {
namespace {

// Rows whose column sums are one term of grad_bias: the bounds of the terms
// depend on M alone, and a sum of a million rows keeps its digits.
constexpr Index kSumRows = 256;

// dz of rows [begin, end), where the activation has one, and their column sums.
template <Activation A, typename T>
void slope_rows(const MatmulBackward<T>& a, Range rows, T* dz, T* sums) {
  const Index n = a.n;
  if (sums != nullptr) {
    for (Index j = 0; j < n; ++j) sums[j] = 0;
  }
  for (Index i = rows.begin; i < rows.end; ++i) {
    const T* __restrict grad = a.grad + i * n;
    const T* __restrict y = a.output + i * n;
    if constexpr (A != Activation::kLinear) {
      T* __restrict to = dz + i * n;
      for (Index j = 0; j < n; ++j) {
        if constexpr (A == Activation::kRelu) {
          // A NaN in the output lets the gradient through.
          to[j] = y[j] <= 0 ? T(0) : grad[j];
        } else {
          to[j] = grad[j] * slope<A>(y[j], y[j], {});
        }
      }
    }
    if (sums != nullptr) {
      const T* __restrict from = A == Activation::kLinear ? grad : dz + i * n;
      T* __restrict sum = sums;
      for (Index j = 0; j < n; ++j) sum[j] += from[j];
    }
  }
}

template <typename T>
void slope_rows(const MatmulBackward<T>& a, Range rows, T* dz, T* sums) {
  switch (a.activation) {
    case Activation::kRelu:
      return slope_rows<Activation::kRelu>(a, rows, dz, sums);
    case Activation::kSigmoid:
      return slope_rows<Activation::kSigmoid>(a, rows, dz, sums);
    case Activation::kTanh:
      return slope_rows<Activation::kTanh>(a, rows, dz, sums);
    default:
      return slope_rows<Activation::kLinear>(a, rows, dz, sums);
  }
}

template <typename T>
void backward(const MatmulBackward<T>& a) {
  const bool linear = a.activation == Activation::kLinear;
  const Index terms = (a.m + kSumRows - 1) / kSumRows;
  const Index sums = a.grad_bias == nullptr ? 0 : terms * a.n;
  const Index size = linear ? 0 : round_up(a.m * a.n, 64);
  T* dz = nullptr;
  T* partial = nullptr;
  if (size + sums > 0) {
    const Index bytes = (size + sums) * Index{sizeof(T)};
    dz = static_cast<T*>(scratch(Scratch::kRows, std::size_t(bytes)));
    partial = sums > 0 ? dz + size : nullptr;
    // A third of a nanosecond per element: two reads and a write.
    parallel_for(a.m, kSumRows, a.m * a.n / 3, [=](Index begin, Index end) {
      T* own = partial == nullptr ? nullptr : partial + begin / kSumRows * a.n;
      slope_rows(a, Range{begin, end}, dz, own);
    });
  }
  if (a.grad_bias != nullptr) {
    for (Index j = 0; j < a.n; ++j) a.grad_bias[j] = 0;
    for (Index t = 0; t < terms; ++t) {
      for (Index j = 0; j < a.n; ++j) a.grad_bias[j] += partial[t * a.n + j];
    }
  }
  const T* upstream = linear ? a.grad : dz;
  if (a.grad_a != nullptr) {
    multiply(Product<T>{{upstream, a.n, 1},
                        {a.b, 1, a.n},
                        a.grad_a,
                        a.k,
                        nullptr,
                        1,
                        a.m,
                        a.k,
                        a.n,
                        Activation::kLinear},
             false);
  }
  multiply(Product<T>{{a.a, 1, a.k},
                      {upstream, a.n, 1},
                      a.grad_b,
                      a.n,
                      nullptr,
                      1,
                      a.k,
                      a.n,
                      a.m,
                      Activation::kLinear},
           true);
  trim_scratch(Scratch::kRows);
}

}  // namespace

void matmul_backward(const MatmulBackward<float>& a) { backward(a); }
void matmul_backward(const MatmulBackward<double>& a) { backward(a); }

}  // namespace strop::cpu::STROP_ISA
