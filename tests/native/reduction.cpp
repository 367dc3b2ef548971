#include "kernels/reduction.h"

#include "native.h"

namespace strop::native {
namespace {

template <typename T>
void on(Index outer, Index extent, Index inner) {
  Guarded<T> x(outer * extent * inner);
  Guarded<double> out(outer * inner);
  Guarded<std::int64_t> place(outer * inner);
  x.random();
  for (const Reduction which :
       {Reduction::kSum, Reduction::kSumOfSquares, Reduction::kMax}) {
    if (extent == 0 && which == Reduction::kMax) continue;
#if STROP_SIMT
    Guarded<double> workspace(cuda::reduce_workspace(outer, extent, inner));
#else
    Guarded<double> workspace(0);
#endif
    backend::reduce(Reduce<T>{x.data(), out.data(), outer, extent, inner, which,
                              workspace.data()},
                    {});
    for (Index i = 0; i < outer * inner; ++i) {
      const T* column = x.data() + i / inner * extent * inner + i % inner;
      double want = which == Reduction::kMax ? double(column[0]) : 0;
      for (Index k = 0; k < extent; ++k) {
        const double v = double(column[k * inner]);
        want = which == Reduction::kSum            ? want + v
               : which == Reduction::kSumOfSquares ? want + v * v
               : v > want                          ? v
                                                   : want;
      }
      near("out", i, T(out[i]), want, double(extent));
    }
    out.recorded();
  }
  if (extent == 0) return;
#if STROP_SIMT
  Guarded<double> parts(cuda::argmax_workspace(outer, extent, inner));
#else
  Guarded<double> parts(0);
#endif
  backend::argmax(
      ArgMax<T>{x.data(), place.data(), outer, extent, inner, parts.data()},
      {});
  for (Index i = 0; i < outer * inner; ++i) {
    const T* column = x.data() + i / inner * extent * inner + i % inner;
    for (Index k = 0; k < extent; ++k) {
      STROP_CHECK(!(column[k * inner] > column[place[i] * inner]),
                  "a greater element");
    }
  }
  place.recorded();
}

}  // namespace

void test_reduction() {
  for (const Index n : {0, 1, 3, 15, 16, 17, 33, 4095, 4096, 4097, 12'289}) {
    on<float>(2, n, 1);
    on<double>(1, n, 3);
    on<float>(2, 5, n);
  }
  on<float>(limited(4001, 41), 1100, 1);
  on<double>(3, limited(700, 600), limited(1100, 70));
}

}  // namespace strop::native
