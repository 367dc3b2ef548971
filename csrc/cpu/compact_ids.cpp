// Unique ids in one pass, without a sort: an 8-byte record per table row, read
// at random (9-11 ns each for words of reviews), prefetched 12 ahead. No
// instruction set helps, so this is compiled once.

#include "cpu/runs.h"
#include "kernels.h"

namespace strop::cpu {
namespace {

constexpr Index kAhead = 12;

template <typename Id>
Index compact(const CompactIds& a) {
  const Id* ids = static_cast<const Id*>(a.ids.data);
  const Index size = a.ids.size;
  Index found = 0;
  for (Index i = 0; i < size;) {
    if (i + kAhead < size) __builtin_prefetch(a.records + ids[i + kAhead], 1);
    CompactRecord& record = a.records[ids[i]];
    if (record.stamp != a.stamp) {
      record = {a.stamp, static_cast<std::int32_t>(found)};
      a.unique[found++] = ids[i];
    }
    const std::int32_t slot = record.slot;
    // Padding comes in runs: one record for all of it.
    const bool run = i + 1 < size && ids[i + 1] == ids[i];
    const Index end = run ? run_end(ids, i, size) : i + 1;
    for (; i < end; ++i) a.slots[i] = slot;
  }
  return found;
}

}  // namespace

Index compact_ids(const CompactIds& a) {
  return a.ids.wide ? compact<std::int64_t>(a) : compact<std::int32_t>(a);
}

}  // namespace strop::cpu
