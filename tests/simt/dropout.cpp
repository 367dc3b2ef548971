// Dropout against NumPy's numbers, with edges of the packs and of the eight
// elements that share a counter.

#include "cuda/dropout.h"

#include "native.h"

namespace strop::native {
namespace {

// numpy.random.Philox(key=[3, 5], counter=[0, 0, 2, 0]) as float32 numbers in
// [0, 1), in 2^-24.
constexpr int kDrawn[] = {2719891, 4686851,  7610777,  16319232, 6881645,
                          9239304, 10482239, 14896247, 1428859,  2300784,
                          9699206, 6882757,  7088429,  11421523, 5556542,
                          4840582, 14838942, 2629398,  9138918,  10193462};
constexpr PhiloxKey kKey{3, 5};

template <typename T>
void mask(Index n, Index shift, bool counted, bool in_place) {
  Guarded<T> x(n + shift), other(n + shift);
  x.random(1, 2);
  Guarded<std::int64_t> count(1);
  count[0] = 2;
  const auto before = x.copy();
  T* const from = x.data() + shift;
  T* const to = in_place ? from : other.data() + shift;
  cuda::dropout(cuda::Dropout<T>{from, to, n, kKey, counted ? 0 : 2,
                                 counted ? count.data() : nullptr, 0.5f, T(2)},
                {});
  for (Index i = 0; i < n; ++i) {
    const double kept = 2 * before[static_cast<std::size_t>(i + shift)];
    const Index last = Index(sizeof kDrawn / sizeof *kDrawn);
    if (i >= last) {
      STROP_CHECK(to[i] == T(0) || double(to[i]) == kept, "element %d", int(i));
      continue;
    }
    const double want = kDrawn[i] >= 1 << 23 ? kept : 0;
    STROP_CHECK(double(to[i]) == want, "element %d", int(i));
  }
  (in_place ? x : other).recorded();
}

template <typename T>
void all() {
  for (const Index n : {0, 1, 3, 4, 5, 7, 8, 9, 31, 2047, 2048, 2049, 5000}) {
    mask<T>(n, 0, n % 2 == 0, n % 3 == 0);
  }
  for (const Index shift : {1, 2, 3}) mask<T>(100, shift, false, false);
}

}  // namespace

void test_dropout() {
  all<float>();
  all<double>();
}

}  // namespace strop::native
