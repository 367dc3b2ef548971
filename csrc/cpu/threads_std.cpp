// Threads of the C++ library, started for each region: for systems with neither
// futexes nor OpenMP. Starting one takes 20-60 us, so only long work is shared.

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu/parallel.h"

namespace strop::cpu {
namespace {

constexpr Index kWorthSharing = 500'000;

std::atomic<bool> taken{false};  // by a caller

}  // namespace

const char* threads_name() { return "std"; }

int openmp_version() { return 0; }

int helpful_threads(Index nanoseconds) {
  return nanoseconds < kWorthSharing ? 1 : num_threads();
}

void run_parts(Index parts, Index nanoseconds, Index threads, PartBody body,
               const void* context) {
  threads = std::min({Index{helpful_threads(nanoseconds)}, threads, parts});
  if (threads <= 1 || taken.exchange(true)) {
    return body(context, 0, parts, 0);
  }
  std::atomic<Index> next{0};
  const auto work = [&](int slot) {
    for (;;) {
      const Index first = next.load();
      if (first >= parts) return;
      const Index last =
          first + std::max<Index>(1, (parts - first) / threads / 2);
      Index expected = first;
      if (next.compare_exchange_weak(expected, last)) {
        body(context, first, std::min(last, parts), slot);
      }
    }
  };
  std::vector<std::thread> team;
  team.reserve(std::size_t(threads - 1));
  try {
    for (int slot = 1; slot < threads; ++slot) team.emplace_back(work, slot);
  } catch (const std::system_error&) {
    // No more threads to be had: those that started and the caller do it all.
  }
  work(0);
  for (std::thread& thread : team) thread.join();
  taken = false;
}

}  // namespace strop::cpu
