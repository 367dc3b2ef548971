// Unique ids in one pass, without a sort: an 8-byte record per table row, read
// at random. Four of ten words of reviews are new to their batch, so a branch
// on that costs 2 ns a token in mispredictions; a maximum and unconditional
// stores do not: 2 ns a token in all while the records are in L2. No
// instruction set helps, so this is compiled once.

#include "cpu/runs.h"
#include "kernels/embedding.h"

namespace strop::cpu {
namespace {

// A record is asked for 40 ids before its turn, since about 36 lines can be on
// their way from memory at once.
constexpr Index kAhead = 40;

template <typename Id>
Index compact(const CompactIds& args) {
  const CompactIds a = args;
  const Id* ids = static_cast<const Id*>(a.ids.data);
  const Index size = a.ids.size;
  std::uint64_t next = (std::uint64_t{a.stamp} << 32) | 0xffffffffu;
  Index found = 0;
  const auto place = [&](Index i) {
    const Id id = ids[i];
    const std::uint64_t before = a.records[id];
    const std::uint64_t record = before > next ? before : next;
    a.unique[found] = id;  // overwritten unless it is new
    a.records[id] = record;
    a.slots[i] = static_cast<std::int32_t>(~record);
    const bool fresh = before < next;
    found += fresh;
    next -= fresh;
  };
  Index i = 0;
  for (; i + kRunBlock + kAhead <= size; i += kRunBlock) {
    if (all_are(ids + i, ids[i])) {  // padding: one record for all of them
      place(i);
      for (Index k = 1; k < kRunBlock; ++k) a.slots[i + k] = a.slots[i];
      continue;
    }
    for (Index k = i; k < i + kRunBlock; ++k) {
      __builtin_prefetch(a.records + ids[k + kAhead], 1);
      place(k);
    }
  }
  for (; i < size; ++i) place(i);
  return found;
}

}  // namespace

Index compact_ids(const CompactIds& a) {
  return a.ids.wide ? compact<std::int64_t>(a) : compact<std::int32_t>(a);
}

}  // namespace strop::cpu
