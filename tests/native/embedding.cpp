#include "kernels/embedding.h"

#include "native.h"

namespace strop::native {
namespace {

template <typename T, typename Id>
void lookup(Index count, Index rows, Index width) {
  Guarded<T> table(rows * width), out(count * width);
  Guarded<Id> ids(count);
  table.random();
  random_ids(ids, rows);
  backend::embedding_lookup(
      EmbeddingLookup<T>{table.data(), ids_of(ids), out.data(), rows, width},
      {});
  for (Index i = 0; i < count * width; ++i) {
    const Index from = Index(ids[i / width]) * width + i % width;
    STROP_CHECK(out[i] == table[from], "element %lld",
                static_cast<long long>(i));
  }
  out.recorded();
}

#if !STROP_SIMT
// The unique ids in order of first appearance, and where each id stands.
template <typename Id>
void compact(Index count, Index rows) {
  Guarded<Id> ids(count);
  random_ids(ids, rows);
  Guarded<CompactRecord> records(rows);
  records.fill(0);
  Guarded<std::int64_t> unique((count < rows ? count : rows) + 1);
  Guarded<std::int32_t> slots(count);
  for (std::uint32_t stamp = 1; stamp <= 2; ++stamp) {
    const Index found = cpu::compact_ids(
        {ids_of(ids), records.data(), stamp, unique.data(), slots.data()});
    Index seen = 0;
    for (Index i = 0; i < count; ++i) {
      STROP_CHECK(slots[i] <= seen, "a slot before its turn");
      if (slots[i] == seen) ++seen;
      STROP_CHECK(unique[slots[i]] == std::int64_t(ids[i]), "another id");
    }
    STROP_CHECK(seen == found, "a slot that no id has");
  }
  slots.recorded();
}
#endif

}  // namespace

void test_embedding() {
  for (const Index width : {1, 3, 4, 15, 16, 17, 64}) {
    for (const Index count : {0, 1, 5, 33}) {
      lookup<float, std::int32_t>(count, 7, width);
      lookup<double, std::int64_t>(count, 7, width);
    }
  }
  lookup<float, std::int64_t>(limited(150'001), 1000, 16);
#if !STROP_SIMT
  for (const Index count : {0, 1, 2, 31, 32, 33, 5000}) {
    compact<std::int32_t>(count, 40);
    compact<std::int64_t>(count, 3000);
  }
#endif
}

}  // namespace strop::native
