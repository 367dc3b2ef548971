// Softmax cross-entropy with its gradient in one launch, two where rows may be
// ignored: then their number comes first. 8 bytes per logit of float: a row is
// read once. The losses of a block's rows are added in a tree, and the last
// block adds those of the blocks.

#include "cuda/softmax_sums.cuh"
#include "kernels/loss.h"
#include "kernels/softmax.h"

namespace strop::cuda {
namespace {

// The rows of `labels` that are not ignored, to the second word of the header.
__global__ void __launch_bounds__(kBlock)
    count_kept(Ids labels, Index ignore, unsigned long long* kept) {
  const Index i = Index{blockIdx.x} * kBlock + threadIdx.x;
  const bool mine = i < labels.size && id_of(labels, i) != ignore;
  const unsigned votes = __ballot_sync(kAll, mine);
  if (threadIdx.x % kWarp == 0 && votes != 0) {
    atomicAdd(kept, static_cast<unsigned long long>(__popc(votes)));
  }
}

template <typename T>
__host__ __device__ __forceinline__ bool may_ignore(
    const SoftmaxCrossEntropy<T>& a) {
  return a.has_ignore && a.target == nullptr;
}

// The loss of the row, the same in all its threads; writes its gradient. A
// label that is no class gives zeros and is reported.
template <typename Row, typename T>
__device__ __forceinline__ double row_entropy(Row& row,
                                              const SoftmaxCrossEntropy<T>& a,
                                              double scale,
                                              std::uint64_t* fault) {
  constexpr int kSize = Pack<T>::kSize;
  const Index r = row.index, n = row.n;
  const double keep = 1 - a.smoothing;
  const double share = a.smoothing / double(a.classes);
  const double weight =
      a.weight == nullptr || n == 0 ? 1.0 : double(a.weight[r]);
  const T* q = a.target == nullptr || n == 0 ? nullptr : a.target + r * n;
  const bool hard = a.target == nullptr;
  const Index label = hard && n > 0 ? id_of(a.labels, r) : 0;
  const bool is_class = label >= 0 && label < n;
  const bool ignored = hard && a.has_ignore && label == a.ignore_class;
  if (n > 0 && !ignored && !is_class && row.leads()) report(fault, r);
  const bool live = is_class && !ignored;
  // Before a gradient takes its place: `grad` may be `logits`, and another
  // thread writes there.
  const double own = hard && live ? double(row.x[label]) : 0.0;
  T logits = 0, mass = 0, product = 0;
  const RowSum<T> s = sum_of(row, true, [&](Index c, const Pack<T>& z) {
    if (hard && share == 0) return;
#pragma unroll
    for (int j = 0; j < kSize; ++j) {
      if (c + j >= n) break;
      if (share != 0) logits += z.v[j];
      if (hard) continue;
      const T p = q[c + j];
      mass += p;
      // An impossible class may have a logit of -inf.
      product += p == T(0) ? T(0) : p * z.v[j];
    }
  });
  const double smooth =
      share == 0 ? 0.0 : share * row.over(double(logits), Plus{});
  const double total =
      hard ? 1.0 : keep * row.over(double(mass), Plus{}) + a.smoothing;
  const double fit = hard ? own : row.over(double(product), Plus{});
  const T inverse = T(1.0 / s.sum);
  const T up = T(total) * inverse;
  const T factor = T(weight * scale);
  const T low = T(share), high = T(keep) + T(share);
  row.sync();
  row.each([&](Index c, int, const Pack<T>& z) {
    Pack<T> grad, probability;
#pragma unroll
    for (int j = 0; j < kSize; ++j) {
      const T power = power_of<Row>(z.v[j], s.top);
      probability.v[j] = power * inverse;
      T want = c + j == label ? high : low;
      if (!hard) want = T(keep) * (c + j < n ? q[c + j] : T(0)) + low;
      grad.v[j] = live || !hard ? (power * up - want) * factor : T(0);
    }
    put(row, a.grad, c, grad);
    if (a.probabilities != nullptr) {
      put(row, a.probabilities, c, probability);
    }
  });
  if (n == 0 || (hard && !live)) return 0;
  const double log_sum = double(s.top) + logarithm(s.sum);
  return weight * (total * log_sum - (smooth + keep * fit));
}

template <typename Row, typename T>
__global__ void __launch_bounds__(Row::kThreads, Row::kBlocks)
    entropy(const __grid_constant__ SoftmaxCrossEntropy<T> a, Rows shape,
            std::uint64_t* fault) {
  STROP_SHARED(double, room, kWarp);
  const auto* header = reinterpret_cast<unsigned long long*>(a.partials);
  const double scale =
      may_ignore(a) ? 1.0 / double(header[1] == 0 ? 1 : header[1]) : a.scale;
  Row row(a.logits, shape, room, T(-INFINITY));
  double loss = row_entropy(row, a, scale, fault);
  if (!row.leads()) loss = 0;
  loss = over_block<Row::kThreads>(loss, room, Plus{});
  double* parts = a.partials + kLossHeader;
  if (threadIdx.x == 0) parts[blockIdx.x] = loss;
  if (gridDim.x > 1) {
    if (!last_block(reinterpret_cast<unsigned*>(a.partials))) return;
    loss = add_parts<Row::kThreads>(parts, gridDim.x, room);
  }
  if (threadIdx.x == 0) *a.value = loss * scale;
}

template <typename T>
void run(const SoftmaxCrossEntropy<T>& a, Stream s) {
  constexpr const char* op = "softmax_cross_entropy";
  if (a.rows == 0) return clear(op, a.value, sizeof *a.value, s);
  const Index blocks = blocks_of_rows<T>(a.rows, a.classes);
  if (blocks > 1 || may_ignore(a)) {
    clear(op, a.partials, kLossHeader * sizeof(double), s);
  }
  if (may_ignore(a)) {
    launch(op, count_kept, blocks_for(a.labels.size, kBlock), kBlock, s,
           a.labels, a.ignore_class,
           reinterpret_cast<unsigned long long*>(a.partials) + 1);
  }
  with_rows<T>(op,
               rows_of<T>(a.rows, a.classes, a.logits, a.grad, a.probabilities),
               [&](auto kind, const Rows& shape) {
                 using Row = typename decltype(kind)::Row;
                 launch_with(op, entropy<Row, T>, blocks, Row::kThreads,
                             shared_bytes<Row>(shape), s, a, shape, s.fault);
               });
}

}  // namespace

Index loss_parts(Index rows, Index classes, bool is_double) {
  return is_double ? blocks_of_rows<double>(rows, classes)
                   : blocks_of_rows<float>(rows, classes);
}

void softmax_cross_entropy(const SoftmaxCrossEntropy<float>& a, Stream s) {
  run(a, s);
}
void softmax_cross_entropy(const SoftmaxCrossEntropy<double>& a, Stream s) {
  run(a, s);
}

}  // namespace strop::cuda
