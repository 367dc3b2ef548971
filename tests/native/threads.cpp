// Sharing out work, whatever runs it: every part once, slots below the number
// asked for and never twice at once, callers side by side, forks while others
// work, settings that change meanwhile.

#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "cpu/parallel.h"
#include "native.h"

namespace strop::native {
namespace {

// ThreadSanitizer does not follow a thread that is started after a fork, and
// AddressSanitizer of gcc 12 does not unlock its allocator in a child: one run
// in dozens waits for ever when it starts its workers. Without a sanitizer and
// in tests/test_threads.py forks are tried.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kForks = false;
#else
constexpr bool kForks = true;
#endif

constexpr Index kLong = 1'000'000'000;  // nanoseconds: always worth sharing

void each_part_once(Index parts, Index claim) {
  std::vector<std::atomic<int>> done(std::size_t(parts) + 1);
  cpu::for_parts(parts, claim, [&](Index part, int) { ++done[part]; });
  for (Index i = 0; i < parts; ++i) {
    STROP_CHECK(done[i] == 1, "part %lld of %lld: %d times",
                static_cast<long long>(i), static_cast<long long>(parts),
                done[i].load());
  }
}

void chunks_by_size_alone(Index n, Index chunk) {
  std::vector<std::atomic<int>> done(std::size_t(n) + 1);
  cpu::parallel_for(n, chunk, kLong, [&](Index begin, Index end) {
    STROP_CHECK(begin % chunk == 0, "begin");
    STROP_CHECK(end == n || end == begin + chunk, "end");
    for (Index i = begin; i < end; ++i) ++done[i];
  });
  for (Index i = 0; i < n; ++i) STROP_CHECK(done[i] == 1, "element");
}

void slots_are_exclusive() {
  constexpr Index kAsked = 2;
  std::atomic<int> inside[kAsked] = {};
  cpu::for_parts(1000, kLong, kAsked, [&](Index, int slot) {
    STROP_CHECK(slot >= 0 && slot < kAsked, "slot %d", slot);
    STROP_CHECK(inside[slot].fetch_add(1) == 0, "slot %d twice", slot);
    volatile double x = 1;
    for (int i = 0; i < 200; ++i) x = x * 1.000001;
    --inside[slot];
  });
}

void a_region_inside_a_region() {
  std::atomic<int> count{0};
  cpu::for_parts(8, kLong, [&](Index, int) {
    cpu::for_parts(8, kLong, [&](Index, int) { ++count; });
  });
  STROP_CHECK(count == 64, "%d parts", count.load());
}

void callers_side_by_side() {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([caller] {
      for (int i = 0; i < 200; ++i) {
        if (caller == 0) cpu::set_num_threads(1 + i % 5);
        std::atomic<int> count{0};
        cpu::for_parts(50, kLong, [&](Index, int) { ++count; });
        STROP_CHECK(count == 50, "%d parts", count.load());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

// A child of a process whose other thread is inside a region shares work, too,
// or does it alone; it never waits for workers that it does not have.
void forks_while_others_work() {
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) cpu::for_parts(64, kLong, [](Index, int) {});
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      std::atomic<int> count{0};
      for (int k = 0; k < 20; ++k) {
        cpu::for_parts(64, kLong, [&](Index, int) { ++count; });
      }
      _exit(count == 64 * 20 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    STROP_CHECK(status == 0, "the child's status is %d", status);
  }
  stop = true;
  other.join();
}

}  // namespace

void test_threads() {
  for (const Index parts : {0, 1, 2, 3, 16, 1000, 100'000}) {
    each_part_once(parts, kLong);
    each_part_once(parts, 20'000);
    each_part_once(parts, 0);
  }
  for (const Index n : {0, 1, 99, 100, 101, 12'345}) {
    chunks_by_size_alone(n, 1);
    chunks_by_size_alone(n, 100);
  }
  slots_are_exclusive();
  a_region_inside_a_region();
  callers_side_by_side();
  if (kForks) forks_while_others_work();
}

}  // namespace strop::native
