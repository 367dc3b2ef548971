// Means and sums of table rows, and the gradient. At 16 features a row is one
// cache line and one add: 0.44 ns per id from L1, 0.6 from a 5.7 MB table. Four
// sums hide the latency of the add; their order is the same on every set. A
// tile is as many columns as the set's registers hold four sums of.
// Padding is a run of one id at an end of the bag: it is counted, not gathered.

#include "kernels/embedding_bag.h"

#include "cpu/bag_span.h"
#include "cpu/parallel.h"

namespace strop::cpu::STROP_ISA {
namespace {

constexpr Index kBlock = 256;  // ids kept at a time where padding lies between
constexpr int kSums = 4;

// The bytes of a register, and the vectors of a tile: a quarter of the
// registers or less, since there are four sums and rows to load.
#if defined(__AVX512F__)
constexpr int kBytes = 64, kMost = 4;
#elif defined(__AVX2__)
constexpr int kBytes = 32, kMost = 2;
#elif defined(__aarch64__)
constexpr int kBytes = 16, kMost = 4;
#else
constexpr int kBytes = 16, kMost = 2;
#endif

// Prefetching costs 10-50 % while a table is in cache and halves the time when
// it is not: on from half a share of L3, for as many rows as make 32 lines.
constexpr Index kPrefetchBytes = Index{8} << 20;

STROP_HD Index rows_ahead(Index rows, Index row_bytes) {
  if (rows * row_bytes <= kPrefetchBytes) return 0;
  const Index lines = (row_bytes + 63) / 64;
  return lines < 8 ? 32 / lines : 4;
}

// About what a call takes on one thread: 0.6 ns per line in cache, 7 beyond.
STROP_HD Index cost(const Bags& bags, Index rows, Index row_bytes) {
  const Index lines = (row_bytes + 63) / 64 * bags.ids.size;
  const bool far = rows * row_bytes > kPrefetchBytes;
  const Index cost =
      10 * bags.count + (far ? 5 * lines : lines / 2 + lines / 8);
  // Rows from memory gain most: two cores have twice the lines on their way.
  return cost < (far ? kStepShares / 4 : kStepShares) ? 0 : cost;
}

template <int L, typename T>
struct Wide {
  typedef T Vector __attribute__((vector_size(L * sizeof(T))));
};

template <int L, typename T>
STROP_HD typename Wide<L, T>::Vector load(const T* from) {
  typename Wide<L, T>::Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <typename Vector, typename T>
STROP_HD void store(T* to, const Vector& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

// Adds n rows to the sums of a tile of V vectors. `readable` ids, the n and
// those of the next bags, may be looked at for rows to ask for.
template <int L, int V, typename T, typename Id>
STROP_HD void add_rows(typename Wide<L, T>::Vector (&sums)[kSums][V],
                       const T* table, Index width, const Id* ids, Index n,
                       Index readable, Index ahead) {
  constexpr int kLine = 64 / sizeof(T);
  const Index asked = ahead > 0 ? readable - ahead - kSums : -1;
  const auto add = [&](Index i, int k) {
    const T* row = table + ids[i] * width;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[k][v] += load<L>(row + v * L);
  };
  Index i = 0;
  for (; i + kSums <= n; i += kSums) {
    if (i <= asked) {
      for (int k = 0; k < kSums; ++k) {
        const T* row = table + ids[i + ahead + k] * width;
        for (int d = 0; d < L * V; d += kLine) {
          __builtin_prefetch(row + d, 0, 2);
        }
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < kSums; ++k) add(i + k, k);
  }
  if (i < n) add(i, 0);
  if (i + 1 < n) add(i + 1, 1);
  if (i + 2 < n) add(i + 2, 2);
}

// Columns [column, column + L V) of one bag.
template <int L, int V>
struct SumTile {
  template <typename Id, typename T>
  static void run(const EmbeddingBag<T>& a, const Span& s, Index bag,
                  Index column) {
    using Vector = typename Wide<L, T>::Vector;
    const Id* ids = static_cast<const Id*>(a.bags.ids.data);
    const T* table = a.table + column;
    const Index width = a.width;
    const Index ahead = rows_ahead(a.rows, width * Index{sizeof(T)});
    Vector sums[kSums][V] = {};
    if (s.pads == 0) {
      add_rows<L, V>(sums, table, width, ids + s.begin, s.end - s.begin,
                     a.bags.ids.size - s.begin, ahead);
    } else {
      // Blocks are multiples of four and only the last can be short, so the
      // places go on modulo 4.
      Id kept[kBlock];
      for (Index from = s.begin; from < s.end;) {
        const Index n =
            keep_ids(ids, from, s.end, Id(a.bags.pad), kept, kBlock);
        add_rows<L, V>(sums, table, width, kept, n, n, ahead);
      }
    }
    T* out = a.out + bag * width + column;
    for (int v = 0; v < V; ++v) {
      Vector sum = (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v]);
      const T* at = table + v * L;
      if (s.front_count > 0) {
        sum += T(s.front_count) * load<L>(at + s.front_id * width);
      }
      if (s.back_count > 0) {
        sum += T(s.back_count) * load<L>(at + s.back_id * width);
      }
      if (a.bags.mean && s.count > 0) sum /= Vector{} + T(s.count);
      store(out + v * L, sum);
    }
  }
};

// Adds the share of one bag to its rows, columns [column, column + L V).
template <int L, int V>
struct ScatterTile {
  template <typename Id, typename T>
  static void run(const EmbeddingBagScatter<T>& a, const Span& s, Index bag,
                  Index column) {
    using Vector = typename Wide<L, T>::Vector;
    constexpr int kLine = 64 / sizeof(T);
    const Id* ids = static_cast<const Id*>(a.bags.ids.data);
    const Index width = a.width;
    const Index ahead = rows_ahead(a.rows, width * Index{sizeof(T)});
    const Index asked = ahead > 0 ? a.bags.ids.size - ahead : 0;
    T* table = a.out + column;
    Vector share[V];
    for (int v = 0; v < V; ++v) {
      share[v] = load<L>(a.grad + bag * width + column + v * L);
      if (a.bags.mean) share[v] /= Vector{} + T(s.count);
    }
    const auto add = [&](Index id, T times, bool once) {
      T* row = table + id * width;
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const Vector old = load<L>(row + v * L);
        store(row + v * L, once ? old + share[v] : old + times * share[v]);
      }
    };
    if (s.front_count > 0) add(s.front_id, T(s.front_count), false);
    for (Index i = s.begin; i < s.end; ++i) {
      if (i < asked) {
        const T* row = table + ids[i + ahead] * width;
        for (int d = 0; d < L * V; d += kLine) {
          __builtin_prefetch(row + d, 1, 2);
        }
      }
      if (s.pads > 0 && ids[i] == a.bags.pad) continue;
      add(ids[i], T(1), true);
    }
    if (s.back_count > 0) add(s.back_id, T(s.back_count), false);
  }
};

// The columns [begin, end) of one bag, tile by tile: whole registers, then
// vectors of four, then single columns.
template <template <int, int> class Tile, int L, int kMostHere, typename Id,
          typename Args>
STROP_HD Index tiles(const Args& a, const Span& s, Index bag, Index begin,
                     Index end) {
  for (; begin + kMostHere * L <= end; begin += kMostHere * L) {
    Tile<L, kMostHere>::template run<Id>(a, s, bag, begin);
  }
  const Index left = (end - begin) / L;
  if (left == 3) Tile<L, 3>::template run<Id>(a, s, bag, begin);
  if (left == 2) Tile<L, 2>::template run<Id>(a, s, bag, begin);
  if (left == 1) Tile<L, 1>::template run<Id>(a, s, bag, begin);
  return begin + left * L;
}

template <template <int, int> class Tile, typename Id, typename T,
          typename Args>
STROP_HD void one_bag(const Args& a, const Span& s, Index bag, Index begin,
                      Index end) {
  constexpr int kLanes = kBytes / sizeof(T);
  begin = tiles<Tile, kLanes, kMost, Id>(a, s, bag, begin, end);
  if (kLanes > 4) begin = tiles<Tile, 4, kMost, Id>(a, s, bag, begin, end);
  tiles<Tile, 1, kMost, Id>(a, s, bag, begin, end);
}

template <typename Id, typename T>
void forward_as(const EmbeddingBag<T>& a) {
  // A chunk is some 1,000 ids.
  const Index length = a.bags.count > 0 ? a.bags.ids.size / a.bags.count : 0;
  const Index chunk = length < 1024 ? 1024 / (length + 1) : 1;
  const Index bytes = a.width * Index{sizeof(T)};
  parallel_for(a.bags.count, chunk, cost(a.bags, a.rows, bytes),
               [&a](Index begin, Index end) {
                 for (Index bag = begin; bag < end; ++bag) {
                   const Span s = span_of<Id>(a.bags, bag);
                   one_bag<SumTile, Id, T>(a, s, bag, 0, a.width);
                 }
               });
}

// Threads share out the columns, never the bags: each row's additions keep the
// order of the ids. A chunk is a cache line.
template <typename Id, typename T>
void scatter_as(const EmbeddingBagScatter<T>& a) {
  const Index bytes = a.width * Index{sizeof(T)};
  const Index zeroing = a.rows * bytes / 32;
  parallel_for(a.width, 64 / sizeof(T),
               zeroing + 2 * cost(a.bags, a.rows, bytes),
               [&a](Index begin, Index end) {
                 const Index columns = end - begin;
                 if (columns == a.width) {
                   __builtin_memset(a.out, 0, a.rows * a.width * sizeof(T));
                 } else {
                   for (Index row = 0; row < a.rows; ++row) {
                     __builtin_memset(a.out + row * a.width + begin, 0,
                                      columns * sizeof(T));
                   }
                 }
                 for (Index bag = 0; bag < a.bags.count; ++bag) {
                   const Span s = span_of<Id>(a.bags, bag);
                   if (s.count == 0) continue;
                   one_bag<ScatterTile, Id, T>(a, s, bag, begin, end);
                 }
               });
}

template <typename T>
void forward(const EmbeddingBag<T>& a) {
  return a.bags.ids.wide ? forward_as<std::int64_t>(a)
                         : forward_as<std::int32_t>(a);
}

template <typename T>
void scatter(const EmbeddingBagScatter<T>& a) {
  return a.bags.ids.wide ? scatter_as<std::int64_t>(a)
                         : scatter_as<std::int32_t>(a);
}

}  // namespace

void embedding_bag(const EmbeddingBag<float>& a) { forward(a); }
void embedding_bag(const EmbeddingBag<double>& a) { forward(a); }
void embedding_bag_scatter(const EmbeddingBagScatter<float>& a) { scatter(a); }
void embedding_bag_scatter(const EmbeddingBagScatter<double>& a) { scatter(a); }

}  // namespace strop::cpu::STROP_ISA
