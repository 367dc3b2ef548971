#include "kernels/embedding_bag.h"

#include "kernels/row_plan.h"
#include "native.h"

namespace strop::native {
namespace {

#if STROP_SIMT
// A plan and what it works in, as csrc/bind makes them.
struct Planned {
  RowPlan plan{};
  Guarded<std::int64_t> unique, keys;
  Guarded<std::int32_t> ranks, counts;

  Planned(const Bags& bags, Index rows)
      : unique(bags.ids.size < rows ? bags.ids.size : rows),
        keys(bags.ids.size),
        ranks((bags.ids.size + kRowGroup - 1) / kRowGroup + 1),
        counts(bags.mean ? bags.count : 0) {
    plan.bags = bags;
    plan.rows = rows;
    plan.unique = unique.data();
    plan.keys = keys.data();
    plan.ranks = ranks.data();
    plan.ticket = reinterpret_cast<unsigned*>(plan.ranks + ranks.size() - 1);
    plan.counts = bags.mean ? counts.data() : nullptr;
    Guarded<std::int64_t> workspace(Index(cuda::lay_out(plan) + 7) / 8);
    cuda::row_plan(plan, workspace.data(), {});
  }

  // Rows that rise, then none.
  Index found() const {
    Index n = 0;
    while (n < unique.size() && unique[n] != kNoRow) ++n;
    for (Index i = 1; i < n; ++i) {
      STROP_CHECK(unique[i - 1] < unique[i], "at %lld", (long long)i);
    }
    for (Index i = n; i < unique.size(); ++i) {
      STROP_CHECK(unique[i] == kNoRow, "at %lld", (long long)i);
    }
    return n;
  }
};
#endif

// The gradient, and on CUDA also that of the rows of a plan.
template <typename T>
void scatter(const EmbeddingBagScatter<T>& a) {
#if STROP_SIMT
  const Planned p(a.bags, a.rows);
  const Index chunks = (a.bags.ids.size + kRowChunk - 1) / kRowChunk;
  Guarded<T> partials(chunks * a.width), values(p.unique.size() * a.width);
  cuda::row_gradient(
      RowGradient<T>{a.grad, p.plan, a.out, true, a.width, partials.data()},
      {});
  cuda::row_gradient(RowGradient<T>{a.grad, p.plan, values.data(), false,
                                    a.width, partials.data()},
                     {});
  const Index found = p.found();
  for (Index i = 0; i < found * a.width; ++i) {
    const Index row = p.unique[i / a.width];
    STROP_CHECK(values[i] == a.out[row * a.width + i % a.width], "value %lld",
                (long long)i);
  }
#else
  cpu::embedding_bag_scatter(a, {});
#endif
}

// Bags of different lengths, empty ones too, with offsets; all of `each` ids
// without.
template <typename T, typename Id>
void bags(Index count, Index each, Index rows, Index width, bool mean,
          bool offsets, bool pad) {
  Guarded<std::int64_t> bounds(offsets ? count + 1 : 0);
  Index total = count * each;
  if (offsets) {
    total = 0;
    for (Index i = 0; i <= count; ++i) {
      bounds[i] = total;
      if (i < count) total += i % 5 == 3 ? 0 : (i * 7) % (each + 1);
    }
  }
  Guarded<Id> ids(total);
  random_ids(ids, rows);
  Guarded<T> table(rows * width), out(count * width), grad(count * width),
      grad_table(rows * width);
  table.random();
  grad.random();
  const Bags all{
      ids_of(ids), offsets ? bounds.data() : nullptr, each, count, mean, pad, 0,
      nullptr};
  backend::embedding_bag(
      EmbeddingBag<T>{table.data(), all, out.data(), rows, width}, {});
  scatter(
      EmbeddingBagScatter<T>{grad.data(), all, grad_table.data(), rows, width});
  std::vector<double> want(std::size_t(rows * width), 0.0);
  for (Index bag = 0; bag < count; ++bag) {
    const Index begin = offsets ? bounds[bag] : bag * each;
    const Index end = offsets ? bounds[bag + 1] : begin + each;
    Index used = 0;
    for (Index i = begin; i < end; ++i) used += !(pad && ids[i] == 0);
    const double share = mean && used > 0 ? 1.0 / double(used) : 1.0;
    for (Index d = 0; d < width; ++d) {
      double sum = 0;
      for (Index i = begin; i < end; ++i) {
        if (pad && ids[i] == 0) continue;
        sum += double(table[Index(ids[i]) * width + d]);
        want[std::size_t(Index(ids[i]) * width + d)] +=
            share * double(grad[bag * width + d]);
      }
      near("out", bag * width + d, out[bag * width + d], sum * share,
           double(each) * share + 1);
    }
  }
  for (Index i = 0; i < rows * width; ++i) {
    near("grad", i, grad_table[i], want[std::size_t(i)],
         double(total) / double(rows) + double(each) + 1, 64);
  }
  out.recorded();
  grad_table.recorded();
}

}  // namespace

void test_embedding_bag() {
  for (const Index width : {1, 3, 4, 15, 16, 17, 40}) {
    for (int kind = 0; kind < 8; ++kind) {
      const bool mean = kind & 1, offsets = kind & 2, pad = kind & 4;
      bags<float, std::int32_t>(7, 9, 11, width, mean, offsets, pad);
      bags<double, std::int64_t>(7, 9, 11, width, mean, offsets, pad);
      bags<float, std::int64_t>(3, 600, 50, width, mean, offsets, pad);
    }
  }
  bags<float, std::int32_t>(0, 0, 3, 16, true, false, false);
  // On CUDA: plans by a sort; more chunks than the last block puts together.
  bags<float, std::int32_t>(3, 600, (1 << 18) + 1, 1, true, false, true);
  bags<float, std::int64_t>(34, 500, 50, 4, true, true, false);
  bags<float, std::int32_t>(34, 500, 50, 4, true, false, false);
  const Index count = limited(1200, 30);
  bags<float, std::int32_t>(count, 250, 5000, 16, true, false, true);
  bags<float, std::int32_t>(count, 250, 5000, 33, false, true, false);
}

}  // namespace strop::native
