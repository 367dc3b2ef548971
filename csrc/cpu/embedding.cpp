// Rows of a table by id. Bound by memory: 4 D bytes read and written per id.

#include "cpu/parallel.h"
#include "kernels.h"

namespace strop::cpu::STROP_ISA {
namespace {

// Prefetching costs 10-50 % while the table is in cache and halves the time
// when it is not: on from a table of half a share of L3.
constexpr Index kPrefetchBytes = Index{8} << 20;
constexpr Index kAhead = 16;

template <typename T, typename Id>
void lookup_as(const EmbeddingLookup<T>& args) {
  const EmbeddingLookup<T> a = args;
  const Id* ids = static_cast<const Id*>(a.ids.data);
  const bool prefetch = a.rows * a.width * Index{sizeof(T)} > kPrefetchBytes;
  const bool parallel =
      2 * a.ids.size * a.width * Index{sizeof(T)} >= kParallelBytes;
  parallel_for(a.ids.size, 1024, parallel, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      if (prefetch && i + kAhead < end) {
        __builtin_prefetch(a.table + ids[i + kAhead] * a.width);
      }
      __builtin_memcpy(a.out + i * a.width, a.table + ids[i] * a.width,
                       a.width * sizeof(T));
    }
  });
}

template <typename T>
void lookup(const EmbeddingLookup<T>& a) {
  return a.ids.wide ? lookup_as<T, std::int64_t>(a)
                    : lookup_as<T, std::int32_t>(a);
}

}  // namespace

void embedding_lookup(const EmbeddingLookup<float>& a) { lookup(a); }
void embedding_lookup(const EmbeddingLookup<double>& a) { lookup(a); }

}  // namespace strop::cpu::STROP_ISA
