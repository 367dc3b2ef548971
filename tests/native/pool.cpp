#include "kernels/pool.h"

#include "native.h"

namespace strop::native {
namespace {

// Elements of x of window (row, column).
template <typename F>
void for_window(const PoolWindows& w, Index row, Index column, const F& f) {
  for (Index i = 0; i < w.window_height; ++i) {
    for (Index j = 0; j < w.window_width; ++j) {
      const Index y = row * w.stride_height - w.pad_top + i;
      const Index x = column * w.stride_width - w.pad_left + j;
      if (y >= 0 && y < w.height && x >= 0 && x < w.width) {
        f((y * w.width + x) * w.channels);
      }
    }
  }
}

template <typename T>
void on(const PoolWindows& w, Pool which) {
  const Index image = w.height * w.width * w.channels;
  const Index part = w.out_height * w.out_width * w.channels;
  Guarded<T> x(w.batch * image), grad_x(w.batch * image);
  Guarded<T> out(w.batch * part), grad(w.batch * part);
  x.random();
  grad.random();
  if (x.size() > 3) x[3] = T(NAN);
  backend::pool_forward(PoolForward<T>{x.data(), out.data(), w, which}, {});
  backend::pool_backward(PoolBackward<T>{grad.data(), x.data(), out.data(),
                                         grad_x.data(), w, which},
                         {});
  std::vector<double> want(std::size_t(grad_x.size()));
  for (Index i = 0; i < out.size(); ++i) {
    const Index origin = i / part * image + i % w.channels;
    const Index row = i % part / (w.out_width * w.channels);
    const Index column = i / w.channels % w.out_width;
    double sum = 0;
    Index count = 0, place = -1;
    for_window(w, row, column, [&](Index at) {
      const T v = x[origin + at];
      sum += double(v);
      ++count;
      if (place < 0 || v > x[place] || (v != v && x[place] == x[place])) {
        place = origin + at;
      }
    });
    const double share = double(grad[i]) / double(count);
    for_window(w, row, column, [&](Index at) {
      const bool all = which == Pool::kAverage;
      const double own = origin + at == place ? double(grad[i]) : 0;
      want[std::size_t(origin + at)] += all ? share : own;
    });
    const double best =
        which == Pool::kMax ? double(x[place]) : sum / double(count);
    if (best == best) {
      near("out", i, out[i], best, 1);
    } else {
      STROP_CHECK(out[i] != out[i], "a NaN is lost");
    }
  }
  for (Index i = 0; i < grad_x.size(); ++i) {
    near("grad_x", i, grad_x[i], want[std::size_t(i)],
         double(w.window_height * w.window_width));
  }
  out.recorded();
  grad_x.recorded();
}

void both(const PoolWindows& w) {
  for (const Pool which : {Pool::kMax, Pool::kAverage}) {
    on<float>(w, which);
    on<double>(w, which);
  }
}

}  // namespace

void test_pool() {
  for (const Index c : {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 64, 65, 130}) {
    both({2, 5, 6, c, 2, 3, 2, 2, 2, 2, 0, 0});  // a row of x is left
    both({2, 5, 6, c, 3, 3, 2, 2, 2, 2, 1, 0});  // padding above
    both({1, 5, 4, c, 3, 2, 3, 3, 2, 2, 1, 1});  // overlaps
    both({2, 7, 5, c, 2, 2, 2, 1, 4, 3, 0, 0});  // gaps
    both({3, 1, 9, c, 1, 4, 1, 3, 1, 2, 0, 0});  // a sequence
    both({1, 4, 3, c, 1, 1, 4, 3, 4, 3, 0, 0});  // one window
  }
  both({40, 12, 12, 33, 6, 6, 2, 2, 2, 2, 0, 0});
  both({9, 24, 20, 70, 12, 10, 3, 3, 2, 2, 1, 1});
  both({1, 1, 300, 5, 1, 1, 1, 300, 1, 300, 0, 0});
}

}  // namespace strop::native
