#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>

#include "kernels/base.h"

// What the pool asks of Linux: the time, sleep, and cores.

namespace strop::cpu {

inline Index now() {  // in nanoseconds
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Index{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

inline int thread_id() { return int(syscall(SYS_gettid)); }

// Lets this thread run as soon as it wakes, where the one that runs has a slice
// of the usual milliseconds: the worker of another library, which spins, would
// else keep the core for longer than our work lasts. Linux before 6.12 does not
// know it.
inline void ask_for_short_slices() {
  constexpr std::uint64_t kKeepPolicy = 8;
  const struct {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t slice, deadline, period;  // nanoseconds
  } settings = {48, 0,       kKeepPolicy, getpriority(PRIO_PROCESS, 0),
                0,  100'000, 0,           0};
  syscall(SYS_sched_setattr, 0, &settings, 0);
}

// Sleeps while the word has that value; may also return for no reason.
inline void futex_wait(std::atomic<int>* word, int value) {
  static_assert(sizeof(*word) == sizeof(int));
  syscall(SYS_futex, reinterpret_cast<int*>(word), FUTEX_WAIT_PRIVATE, value,
          nullptr, nullptr, 0);
}

inline void futex_wake(std::atomic<int>* word) {
  syscall(SYS_futex, reinterpret_cast<int*>(word), FUTEX_WAKE_PRIVATE, INT_MAX,
          nullptr, nullptr, 0);
}

// The cores of `allowed` without the one this thread runs on; false if that is
// none.
inline bool other_cores(const cpu_set_t& allowed, cpu_set_t* others) {
  *others = allowed;
  CPU_CLR(sched_getcpu(), others);
  return CPU_COUNT(others) > 0;
}

// Bars another thread from the core this thread runs on; `home` gets the cores
// it might use before. False if it has no other.
inline bool bar_from_this_core(int thread, cpu_set_t* home) {
  cpu_set_t others;
  return sched_getaffinity(thread, sizeof *home, home) == 0 &&
         other_cores(*home, &others) &&
         sched_setaffinity(thread, sizeof others, &others) == 0;
}

// Moves another thread off the core this thread runs on, if it is there.
inline void move_off_this_core(int thread) {
  cpu_set_t home;
  if (bar_from_this_core(thread, &home)) {
    sched_setaffinity(thread, sizeof home, &home);
  }
}

}  // namespace strop::cpu
