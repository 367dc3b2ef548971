#pragma once

#include <algorithm>
#include <exception>
#include <limits>
#include <type_traits>
#include <vector>

#include "step/memory.h"

namespace strop::step {

// The samples of one step: row i is order[begin + i], or begin + i.
struct Rows {
  const std::int64_t* order;
  Index begin, count;

  Index at(Index i) const { return order ? order[begin + i] : begin + i; }
};

// How often a row of ids repeats its first and its last id. Padding makes such
// runs, and a step reads the id once for all of it.
struct Ends {
  std::int32_t front;  // 1 at least
  std::int32_t back;   // 0 where the front is the whole row
};

// A data set as the caller's arrays hold it, checked once.
template <typename T>
struct Samples {
  Index size = 0;        // N
  const T* x = nullptr;  // (N, width), or null where `ids` are given
  Ids ids{};             // (N, width)
  Index width = 0;
  std::vector<Ends> ends;     // (N) of the ids
  const T* target = nullptr;  // (N, C), or null where `labels` are given
  Ids labels{};               // (N)
  const T* weight = nullptr;  // (N), or null
};

template <typename Id>
Ends ends_of(const Id* ids, Index width) {
  if (width == 0) return {0, 0};
  Index front = 1;
  while (front < width && ids[front] == ids[0]) ++front;
  Index back = front < width ? 1 : 0;
  while (front + back < width && ids[width - 1 - back] == ids[width - 1]) {
    ++back;
  }
  return {std::int32_t(front), std::int32_t(back)};
}

// Rows of an array, in place where they stand side by side already.
template <typename T>
const T* take(const T* from, Index width, const Rows& rows, Buffer<T>& room) {
  if (from == nullptr) return nullptr;
  if (rows.order == nullptr) return from + rows.begin * width;
  T* to = room.at_least(rows.count * width);
  for (Index i = 0; i < rows.count; ++i) {
    __builtin_memcpy(to + i * width, from + rows.at(i) * width,
                     width * sizeof(T));
  }
  return to;
}

inline Ids take_ids(const Ids& from, Index width, const Rows& rows,
                    Buffer<std::int64_t>& wide, Buffer<std::int32_t>& narrow) {
  const Index size = rows.count * width;
  if (from.data == nullptr) return {};
  if (from.wide) {
    const auto* data = static_cast<const std::int64_t*>(from.data);
    return {take(data, width, rows, wide), size, true};
  }
  const auto* data = static_cast<const std::int32_t*>(from.data);
  return {take(data, width, rows, narrow), size, false};
}

// An id outside the table, found when a batch was read.
struct BadId : std::exception {
  BadId(Index id, Index sample, Index place)
      : id(id), sample(sample), place(place) {}
  const char* what() const noexcept override { return "id out of range"; }
  Index id, sample, place;
};

// Whether all ids lie in [0, limit): neither an id nor `last - id` then has a
// sign. That is three plain operations a vector, also where, as in SSE2, there
// is no unsigned comparison.
template <typename Id>
bool all_in(const Id* ids, Index size, Index limit) {
  using U = std::make_unsigned_t<Id>;
  constexpr Index kMost = std::numeric_limits<Id>::max();
  const U last = static_cast<U>(std::min(limit - 1, kMost));
  U signs = 0;
  for (Index i = 0; i < size; ++i) {
    const U id = static_cast<U>(ids[i]);
    signs |= id | (last - id);
  }
  return static_cast<Id>(signs) >= 0;
}

// The first id of some samples outside [0, limit).
template <typename Id>
BadId first_bad(const Id* ids, Index width, const Rows& rows, Index limit) {
  for (Index i = 0; i < rows.count; ++i) {
    const Index sample = rows.at(i);
    for (Index k = 0; k < width; ++k) {
      const Index id = ids[sample * width + k];
      if (id < 0 || id >= limit) return BadId(id, sample, k);
    }
  }
  return BadId(0, 0, 0);
}

}  // namespace strop::step
