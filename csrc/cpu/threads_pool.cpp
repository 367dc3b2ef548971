// The project's own pool. An OpenMP region ends when every thread of its team
// has been there: where the scheduler has put two on one core, or a worker
// sleeps, a region of 20 us lasts 100. Here a worker takes parts if it comes in
// time and the caller does what nobody has taken, so that a late worker costs
// nothing. benchmarks/threads.py has the figures.

#include <pthread.h>

#include <algorithm>
#include <atomic>

#include "cpu/linux_calls.h"
#include "cpu/parallel.h"
#include "cpu/threads_job.h"

namespace strop::cpu {
namespace {

// A worker that has nothing to do looks for work this long before it sleeps.
constexpr Index kSpin = 50'000;
// Less work than this per thread is done before a helper has seen it.
constexpr Index kWorthSharing = 4'000;
// Waking a sleeper takes the caller 2-5 us and the sleeper 15-100: worth it for
// this much work, or when the calls come so fast that it will not sleep again.
constexpr Index kWorthWaking = 100'000;
constexpr Index kHotGap = 40'000;
// A worker that has missed this much work is probably queued behind its caller.
constexpr Index kMissed = 300'000;
constexpr int kMostWorkers = 255;

Job job;
Worker workers[kMostWorkers + 1];

int take_part(int slot) { return job.take_part(slot, &workers[slot].epoch); }

// Until the worker has found nothing for kSpin, or finds itself on the core of
// its caller, whose time it would take.
void work(int slot) {
  Index idle_since = now();
  while (now() - idle_since < kSpin) {
    if (take_part(slot) > 0) {
      while (take_part(slot) > 0) {
      }
      idle_since = now();
    }
    if (sched_getcpu() == job.cpu.load(std::memory_order_relaxed)) return;
    // No sched_yield here: it would hand the core for milliseconds to the
    // spinning worker of another library.
    for (int i = 0; i < 16; ++i) pause();
  }
}

void* worker(void* slot_pointer) {
  const int slot = int(reinterpret_cast<std::intptr_t>(slot_pointer));
  Worker& self = workers[slot];
  self.thread = thread_id();
  ask_for_short_slices();
  for (;;) {
    if (self.barred) {
      // In this order: nobody takes the cores of a barred thread for its own.
      sched_setaffinity(0, sizeof self.home, &self.home);
      self.barred = false;
    }
    work(slot);
    self.asleep = 1;
    const bool idle = std::uint32_t(job.state.load()) == 0 ||
                      slot >= job.threads.load() ||
                      sched_getcpu() == job.cpu.load();
    while (idle && self.asleep.load() == 1) futex_wait(&self.asleep, 1);
    self.asleep = 0;
  }
}

// The child has no workers: it starts its own when it needs them.
void in_child() {
  job.state = 0;
  job.unfinished = 0;
  job.workers = 0;
  job.waiting = false;
  job.taken = false;
  for (Worker& w : workers) {
    w.asleep = 0;
    w.thread = 0;
    w.barred = false;
  }
}

const int fork_handler = pthread_atfork(nullptr, nullptr, in_child);

void start_workers(int count) {
  // Signals are for the threads of the program.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  cpu_set_t home, others;
  if (sched_getaffinity(0, sizeof home, &home) != 0) CPU_ZERO(&home);
  const bool elsewhere = other_cores(home, &others);
  if (elsewhere) {
    pthread_attr_setaffinity_np(&attributes, sizeof others, &others);
  }
  for (int slot = job.workers + 1; slot <= count; ++slot) {
    workers[slot].home = home;
    workers[slot].barred = elsewhere;
    pthread_t thread;
    void* argument = reinterpret_cast<void*>(std::intptr_t{slot});
    if (pthread_create(&thread, &attributes, worker, argument) != 0) break;
    job.workers = slot;
  }
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Either may also be moved to the other's core later, and while the other cores
// look busy the scheduler leaves it there.
void look_for_missing(int team, Index time) {
  const auto epoch = std::uint32_t(job.state.load() >> 32);
  for (int slot = 1; slot < team; ++slot) {
    Worker& w = workers[slot];
    if (w.epoch.load(std::memory_order_relaxed) == epoch || w.barred) {
      w.last_seen = time;
    } else if (time - w.last_seen > kMissed && w.thread != 0) {
      w.last_seen = time;
      move_off_this_core(w.thread);
    }
  }
}

// The scheduler likes to wake a worker on the very core of its caller, where it
// runs when the caller has done everything. A worker is therefore barred from
// that core until it runs.
void wake(int team) {
  for (int slot = 1; slot < team; ++slot) {
    Worker& w = workers[slot];
    if (w.asleep.load() == 0) continue;
    if (!w.barred) {
      if (!bar_from_this_core(w.thread, &w.home)) continue;
      w.barred = true;
    }
    if (w.asleep.exchange(0) == 1) futex_wake(&w.asleep);
  }
}

bool all_asleep(int team) {
  for (int slot = 1; slot < team; ++slot) {
    if (workers[slot].asleep.load(std::memory_order_relaxed) == 0) return false;
  }
  return true;
}

// The caller's own share, and the wait for units that others have begun.
void finish(int team, Index start) {
  int own = 0;
  Index own_end = start;
  while (const int some = take_part(0)) {
    own += some;
    own_end = now();
    look_for_missing(team, own_end);
  }
  for (int i = 0; job.unfinished.load() != 0; ++i) {
    if (i < 400) {
      pause();
    } else {
      job.waiting = true;
      const int seen = job.unfinished.load();
      if (seen != 0) futex_wait(&job.unfinished, seen);
      job.waiting = false;
    }
  }
  const Index end = now();
  const int others = job.units - own;
  const Index saved = own > 0 ? (own_end - start) * others / own : end - start;
  job.account.enter(saved, end - own_end, end);
  job.last_end.store(end, std::memory_order_relaxed);
}

}  // namespace

const char* threads_name() { return "pool"; }

int openmp_version() { return 0; }

int helpful_threads(Index nanoseconds) {
  if (nanoseconds < kWorthSharing) return 1;
  static const Index kMost = std::min(Index{kMostWorkers} + 1,
                                      4 * Index{sysconf(_SC_NPROCESSORS_ONLN)});
  const Index most = std::min<Index>(num_threads(), kMost);
  return int(std::min(most, 1 + nanoseconds / kWorthSharing));
}

void run_parts(Index parts, Index nanoseconds, Index threads, PartBody body,
               const void* context) {
  threads = std::min({Index{helpful_threads(nanoseconds)}, threads, parts});
  if (threads <= 1 || job.taken.exchange(true)) {
    return body(context, 0, parts, 0);
  }
  if (job.workers < threads - 1) start_workers(int(threads) - 1);
  const int team = std::min(int(threads), job.workers + 1);
  const Index start = now();
  const bool hot = start - job.last_end.load() < kHotGap;
  const bool worth_waking = nanoseconds >= kWorthWaking || hot;
  if (job.account.closed(start) || (all_asleep(team) && !worth_waking)) {
    body(context, 0, parts, 0);
    job.last_end.store(now(), std::memory_order_relaxed);
  } else {
    job.publish(parts, nanoseconds, team, body, context);
    if (worth_waking) wake(team);
    if (!hot) {
      for (int slot = 1; slot < team; ++slot) workers[slot].last_seen = start;
    }
    finish(team, start);
  }
  job.taken = false;
}

}  // namespace strop::cpu
