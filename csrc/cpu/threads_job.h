#pragma once

#include <algorithm>
#include <atomic>

#include "cpu/account.h"
#include "cpu/linux_calls.h"
#include "cpu/parallel.h"

namespace strop::cpu {

// What a thread takes at a time lies between these: long beside the tenth of a
// microsecond that taking costs, short beside the slice of a scheduler.
constexpr Index kShortest = 2'000;
constexpr Index kLongest = 50'000;

// One job at a time. `state` is (epoch << 32) + units that nobody has taken: a
// thread takes some by a compare-and-swap, which fails if the job has changed
// since it read the fields. A unit is a few parts.
struct Job {
  std::atomic<std::uint64_t> state{0};
  std::atomic<PartBody> body{nullptr};
  std::atomic<const void*> context{nullptr};
  std::atomic<Index> parts{0};
  std::atomic<Index> unit{1};  // parts of one
  std::atomic<int> units{0};
  std::atomic<int> most{1};                    // units taken at once
  std::atomic<int> threads{0};                 // slots that may take part
  std::atomic<int> cpu{-1};                    // the caller's
  alignas(64) std::atomic<int> unfinished{0};  // futex of the caller
  std::atomic<bool> waiting{false};            // it sleeps until none is left
  alignas(64) std::atomic<bool> taken{false};  // by a caller
  std::atomic<Index> last_end{0};
  std::atomic<int> workers{0};
  Account account;

  void publish(Index parts, Index nanoseconds, int team, PartBody body,
               const void* context);

  // Takes and does a few units; how many, 0 if there is none for this slot.
  int take_part(int slot, std::atomic<std::uint32_t>* taken_from);
};

struct alignas(64) Worker {
  std::atomic<int> asleep{0};  // futex of the worker
  std::atomic<int> thread{0};
  std::atomic<std::uint32_t> epoch{0};  // of the last job it took part in
  std::atomic<bool> barred{false};      // from a core, until it runs
  cpu_set_t home;                       // the cores it may use then
  Index last_seen = 0;                  // the caller's: when it last took part
};

inline int Job::take_part(int slot, std::atomic<std::uint32_t>* taken_from) {
  for (;;) {
    std::uint64_t seen = state.load();
    const int left = int(std::uint32_t(seen));
    if (left == 0) return 0;
    const PartBody body = this->body.load(std::memory_order_relaxed);
    const void* context = this->context.load(std::memory_order_relaxed);
    const Index parts = this->parts.load(std::memory_order_relaxed);
    const Index unit = this->unit.load(std::memory_order_relaxed);
    const int units = this->units.load(std::memory_order_relaxed);
    const int most = this->most.load(std::memory_order_relaxed);
    const int threads = this->threads.load(std::memory_order_relaxed);
    if (slot >= threads) return 0;
    // Less and less towards the end, so that all end together.
    const int some = std::clamp(left / (4 * threads), 1, most);
    if (!state.compare_exchange_strong(seen, seen - std::uint64_t(some))) {
      continue;
    }
    taken_from->store(std::uint32_t(seen >> 32), std::memory_order_relaxed);
    const Index first = units - left;
    body(context, first * unit, std::min((first + some) * unit, parts), slot);
    if (unfinished.fetch_sub(some) == some && waiting.load()) {
      futex_wake(&unfinished);
    }
    return some;
  }
}

inline void Job::publish(Index parts, Index nanoseconds, int team,
                         PartBody body, const void* context) {
  // As many parts as make kShortest, but some units for each thread.
  const Index unit = std::clamp<Index>(parts * kShortest / nanoseconds, 1,
                                       std::max<Index>(1, parts / (4 * team))) +
                     (parts >> 30);
  const Index units = (parts + unit - 1) / unit;
  const Index most =
      std::clamp<Index>(units * kLongest / nanoseconds, 1, units);
  this->body.store(body, std::memory_order_relaxed);
  this->context.store(context, std::memory_order_relaxed);
  this->parts.store(parts, std::memory_order_relaxed);
  this->unit.store(unit, std::memory_order_relaxed);
  this->units.store(int(units), std::memory_order_relaxed);
  this->most.store(int(most), std::memory_order_relaxed);
  this->threads.store(team, std::memory_order_relaxed);
  cpu.store(sched_getcpu(), std::memory_order_relaxed);
  unfinished.store(int(units));
  const std::uint64_t epoch = (state.load() >> 32) + 1;
  state.store((epoch << 32) + std::uint64_t(units));
}

}  // namespace strop::cpu
