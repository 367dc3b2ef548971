// Rows of a table by id. Bound by memory: 4 D bytes read and written per id.

#include "kernels/embedding.h"

#include "cpu/parallel.h"

namespace strop::cpu::STROP_ISA {
namespace {

// Prefetching costs 10-50 % while the table is in cache and halves the time
// when it is not: on from a table of half a share of L3, 32 lines ahead.
constexpr Index kPrefetchBytes = Index{8} << 20;

// The widest register as bytes; copied by it a row of 64 bytes is one load and
// one store where memcpy, which does not know the length, is a call.
#if defined(__AVX512F__)
constexpr Index kBytes = 64;
#elif defined(__AVX2__)
constexpr Index kBytes = 32;
#else
constexpr Index kBytes = 16;
#endif

template <Index kSize>
STROP_HD void copy_block(char* to, const char* from) {
  typedef char Block __attribute__((vector_size(kSize)));
  Block block;
  __builtin_memcpy(&block, from, kSize);
  __builtin_memcpy(to, &block, kSize);
}

// A row of `size` bytes in blocks; the last one overlaps the one before.
template <Index kSize>
STROP_HD void copy_row(char* to, const char* from, Index size) {
  Index at = 0;
  for (; at + kSize <= size; at += kSize) copy_block<kSize>(to + at, from + at);
  if (at < size) copy_block<kSize>(to + size - kSize, from + size - kSize);
}

template <Index kSize, typename Id>
STROP_HD void copy_rows(char* out, const char* table, const Id* ids, Index size,
                        Index begin, Index end, Index total, Index ahead) {
  for (Index i = begin; i < end; ++i) {
    if (ahead > 0 && i + ahead < total) {
      const char* next = table + ids[i + ahead] * size;
      for (Index b = 0; b < size; b += 64) __builtin_prefetch(next + b, 0, 2);
    }
    copy_row<kSize>(out + i * size, table + ids[i] * size, size);
  }
}

template <typename Id, typename T>
void lookup_as(const EmbeddingLookup<T>& a) {
  const Id* ids = static_cast<const Id*>(a.ids.data);
  const char* table = reinterpret_cast<const char*>(a.table);
  char* out = reinterpret_cast<char*>(a.out);
  const Index size = a.width * Index{sizeof(T)};
  const Index total = a.ids.size;
  const bool far = a.rows * size > kPrefetchBytes;
  const Index lines = (size + 63) / 64;
  const Index ahead = !far ? 0 : lines < 8 ? 32 / lines : 4;
  // 2 ns a line in cache, reading and writing; 8 where it comes from memory.
  const Index nanoseconds = total * lines * (far ? 8 : 2);
  parallel_for(total, 1024, nanoseconds, [=](Index begin, Index end) {
    if (size >= kBytes) {
      copy_rows<kBytes>(out, table, ids, size, begin, end, total, ahead);
    } else if (size >= 16) {
      copy_rows<16>(out, table, ids, size, begin, end, total, ahead);
    } else if (size > 0) {
      copy_rows<4>(out, table, ids, size, begin, end, total, ahead);
    }
  });
}

template <typename T>
void lookup(const EmbeddingLookup<T>& a) {
  return a.ids.wide ? lookup_as<std::int64_t>(a) : lookup_as<std::int32_t>(a);
}

}  // namespace

void embedding_lookup(const EmbeddingLookup<float>& a) { lookup(a); }
void embedding_lookup(const EmbeddingLookup<double>& a) { lookup(a); }

}  // namespace strop::cpu::STROP_ISA
