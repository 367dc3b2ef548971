#pragma once

#include "cpu/runs.h"
#include "kernels/embedding_bag.h"

// One bag without the runs at its ends, and without its padding.

namespace strop::cpu {

// Ids [begin, end) of the array, `pads` of them padding, and the runs; `count`
// are those that are no padding, the runs included.
struct Span {
  Index begin, end;
  Index pads;
  Index count;
  Index front_id, front_count;
  Index back_id, back_count;
};

// Counted in the ids' own type, a block at a time: sums of 64 bits would take
// the vectors of 32 apart.
template <typename Id>
STROP_HD Index count_of(const Id* ids, Index begin, Index end, Id value) {
  constexpr Index kBlock = 1024;
  Index count = 0;
  for (Index from = begin; from < end; from += kBlock) {
    const Index n = end - from < kBlock ? end - from : kBlock;
    Id some = 0;
    for (Index i = 0; i < n; ++i) some += Id(ids[from + i] == value);
    count += some;
  }
  return count;
}

template <typename Id>
STROP_HD Span span_of(const Bags& bags, Index bag) {
  const Id* ids = static_cast<const Id*>(bags.ids.data);
  Span s{};
  s.begin = bags.offsets ? bags.offsets[bag] : bag * bags.width;
  s.end = bags.offsets ? bags.offsets[bag + 1] : s.begin + bags.width;
  if (s.begin == s.end) return s;
  const Index front = run_end(ids, s.begin, s.end);
  if (front - s.begin > 1) {
    s.front_id = ids[s.begin];
    s.front_count = front - s.begin;
    s.begin = front;
  }
  if (s.begin < s.end) {
    const Index back = run_begin(ids, s.begin, s.end);
    if (s.end - back > 1) {
      s.back_id = ids[s.end - 1];
      s.back_count = s.end - back;
      s.end = back;
    }
  }
  if (bags.has_pad) {
    if (s.front_id == bags.pad) s.front_count = 0;
    if (s.back_id == bags.pad) s.back_count = 0;
    // A pad beyond the ids' type is among none of them.
    if (Index{Id(bags.pad)} == bags.pad) {
      s.pads = count_of(ids, s.begin, s.end, Id(bags.pad));
    }
  }
  s.count = s.front_count + s.back_count + (s.end - s.begin - s.pads);
  return s;
}

// Copies the ids of [from, end) that are not `pad`, `most` of them at most;
// `from` moves past what was read.
template <typename Id>
STROP_HD Index keep_ids(const Id* ids, Index& from, Index end, Id pad, Id* kept,
                        Index most) {
  Index n = 0;
  for (; from < end && n < most; ++from) {
    kept[n] = ids[from];
    n += kept[n] != pad;
  }
  return n;
}

}  // namespace strop::cpu
