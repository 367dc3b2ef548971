// Softmax cross-entropy with its gradient in one launch, two where rows may be
// ignored: then their number comes first. Ideally 8 bytes per logit of float32;
// a row is read again from the caches. A block takes kSoftmaxChunk short rows,
// a warp each at a time, or one long row; their losses are added in order.

#include "cuda/softmax_rows.cuh"

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

template <typename Row, typename T>
struct Entropy {
  const SoftmaxCrossEntropy<T>& a;
  double scale;
  std::uint64_t* fault;
  double* room;
  T* top_room;

  __device__ __forceinline__ void write(T* to, T value) const {
    for_columns<Row, T>(a.classes, [&](Index c) { to[c] = value; });
  }

  // <q, z>, where an impossible class may have a logit of -inf.
  __device__ __forceinline__ double dot(const T* q, const T* z) const {
    T sum = 0;
    for_columns<Row, T>(
        a.classes, [&](Index c) { sum += q[c] == T(0) ? T(0) : q[c] * z[c]; });
    return Row{}.over(double(sum), room, Plus{});
  }

  __device__ __forceinline__ double sum(const T* x) const {
    T sum = 0;
    for_columns<Row, T>(a.classes, [&](Index c) { sum += x[c]; });
    return Row{}.over(double(sum), room, Plus{});
  }

  // The loss of a row, the same in all its threads; writes its gradient. A
  // label that is no class gives zeros and is reported.
  __device__ __forceinline__ double operator()(Index r) const {
    const T* z = a.logits + r * a.classes;
    T* grad = a.grad + r * a.classes;
    const RowSum<T> s = sum_of(Row{}, z, a.classes, room, top_room);
    const T inverse = T(1.0 / s.sum);
    if (a.probabilities != nullptr) {
      T* to = a.probabilities + r * a.classes;
      for_columns<Row, T>(a.classes, [&](Index c) {
        to[c] = exponential_below(z[c] - s.top) * inverse;
      });
    }
    const double log_sum = double(s.top) + logarithm(s.sum);
    const double keep = 1 - a.smoothing;
    const double share = a.smoothing / double(a.classes);
    const double weight = a.weight == nullptr ? 1.0 : double(a.weight[r]);
    const T factor = T(weight * scale);
    const double smooth = share == 0 ? 0 : share * sum(z);
    if (a.target == nullptr) {
      const Index label = id_of(a.labels, r);
      const bool ignored = a.has_ignore && label == a.ignore_class;
      if (ignored || label < 0 || label >= a.classes) {
        if (!ignored) report(fault, r);
        write(grad, T(0));
        return 0;
      }
      for_columns<Row, T>(a.classes, [&](Index c) {
        const T q = c == label ? T(keep) + T(share) : T(share);
        grad[c] = (exponential_below(z[c] - s.top) * inverse - q) * factor;
      });
      return weight * (log_sum - (smooth + keep * double(z[label])));
    }
    const T* q = a.target + r * a.classes;
    const double total = keep * sum(q) + a.smoothing;
    const double product = smooth + keep * dot(q, z);
    for_columns<Row, T>(a.classes, [&](Index c) {
      const T smoothed = T(keep) * q[c] + T(share);
      const T p = exponential_below(z[c] - s.top) * (T(total) * inverse);
      grad[c] = (p - smoothed) * factor;
    });
    return weight * (total * log_sum - product);
  }
};

// Said, since ptxas would else save registers for more blocks, and spill.
constexpr unsigned kBlocksPerProcessor = 4;

template <typename Row, typename T>
__global__ void __launch_bounds__(kBlock, kBlocksPerProcessor)
    entropy(const __grid_constant__ SoftmaxCrossEntropy<T> a,
            std::uint64_t* fault) {
  constexpr Index kEach = Row::kRows == 1 ? 1 : kSoftmaxChunk;  // rows
  STROP_SHARED(double, room, kBlock / kWarp);
  STROP_SHARED(T, top_room, kBlock / kWarp);
  STROP_SHARED(double, losses, kEach);
  const auto* header = reinterpret_cast<unsigned long long*>(a.partials);
  const double scale =
      may_ignore(a) ? 1.0 / double(header[1] == 0 ? 1 : header[1]) : a.scale;
  const Entropy<Row, T> loss_of{a, scale, fault, room, top_room};
  const Index first = Index{blockIdx.x} * kEach;
  for (Index k = threadIdx.x / Row::kThreads; k < kEach; k += Row::kRows) {
    const double loss = first + k < a.rows ? loss_of(first + k) : 0.0;
    if (threadIdx.x % Row::kThreads == 0) losses[k] = loss;
  }
  double* parts = a.partials + kLossHeader;
  __syncthreads();
  if (threadIdx.x == 0) {
    double sum = 0;
    for (Index k = 0; k < kEach; ++k) sum += losses[k];
    parts[blockIdx.x] = sum;
  }
  if (!last_block(reinterpret_cast<unsigned*>(a.partials))) return;
  const double total = add_parts(parts, gridDim.x, room);
  if (threadIdx.x == 0) *a.value = total * scale;
}

template <typename Row, typename T>
void run_as(const SoftmaxCrossEntropy<T>& a, Stream s) {
  launch("softmax_cross_entropy", entropy<Row, T>,
         loss_parts(a.rows, a.classes), kBlock, s, a, s.fault);
}

template <typename T>
void run(const SoftmaxCrossEntropy<T>& a, Stream s) {
  constexpr const char* op = "softmax_cross_entropy";
  if (a.rows == 0) return clear(op, a.value, sizeof *a.value, s);
  clear(op, a.partials, kLossHeader * sizeof(double), s);
  if (may_ignore(a)) {
    launch(op, count_kept, blocks_for(a.labels.size, kBlock), kBlock, s,
           a.labels, a.ignore_class,
           reinterpret_cast<unsigned long long*>(a.partials) + 1);
  }
  return a.classes <= kWarpClasses ? run_as<WarpRow>(a, s)
                                   : run_as<BlockRow>(a, s);
}

}  // namespace

Index loss_parts(Index rows, Index classes) {
  return classes <= kWarpClasses ? blocks_for(rows, kSoftmaxChunk) : rows;
}

void softmax_cross_entropy(const SoftmaxCrossEntropy<float>& a, Stream s) {
  run(a, s);
}
void softmax_cross_entropy(const SoftmaxCrossEntropy<double>& a, Stream s) {
  run(a, s);
}

}  // namespace strop::cuda
