// The project's own pool. An OpenMP region ends when every thread of its team
// has been there: where the scheduler has put two on one core, or a worker
// sleeps, a region of 20 us lasts 100. Here a worker takes parts if it comes in
// time and the caller does what nobody has taken, so that a late worker costs
// nothing. benchmarks/threads.py has the figures.

#include <pthread.h>

#include <algorithm>
#include <atomic>

#include "cpu/account.h"
#include "cpu/linux_calls.h"
#include "cpu/parallel.h"

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
// What a thread takes at a time lies between these: long beside the tenth of a
// microsecond that taking costs, short beside the slice of a scheduler.
constexpr Index kShortest = 2'000;
constexpr Index kLongest = 50'000;
constexpr int kMostWorkers = 255;

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
};

Job job;

struct alignas(64) Worker {
  std::atomic<int> asleep{0};  // futex of the worker
  std::atomic<int> thread{0};
  std::atomic<std::uint32_t> epoch{0};  // of the last job it took part in
  std::atomic<bool> barred{false};      // from a core, until it runs
  cpu_set_t home;                       // the cores it may use then
  Index last_seen = 0;                  // the caller's: when it last took part
};

Worker workers[kMostWorkers + 1];

// Takes and does a few units; how many, 0 if there is none for this slot.
int work_once(int slot) {
  for (;;) {
    std::uint64_t state = job.state.load();
    const int left = int(std::uint32_t(state));
    if (left == 0) return 0;
    const PartBody body = job.body.load(std::memory_order_relaxed);
    const void* context = job.context.load(std::memory_order_relaxed);
    const Index parts = job.parts.load(std::memory_order_relaxed);
    const Index unit = job.unit.load(std::memory_order_relaxed);
    const int units = job.units.load(std::memory_order_relaxed);
    const int most = job.most.load(std::memory_order_relaxed);
    const int threads = job.threads.load(std::memory_order_relaxed);
    if (slot >= threads) return 0;
    // Less and less towards the end, so that all end together.
    const int some = std::clamp(left / (4 * threads), 1, most);
    if (!job.state.compare_exchange_strong(state,
                                           state - std::uint64_t(some))) {
      continue;
    }
    workers[slot].epoch.store(std::uint32_t(state >> 32),
                              std::memory_order_relaxed);
    const Index first = units - left;
    body(context, first * unit, std::min((first + some) * unit, parts), slot);
    if (job.unfinished.fetch_sub(some) == some && job.waiting.load()) {
      futex_wake(&job.unfinished);
    }
    return some;
  }
}

// Until the worker has found nothing for kSpin, or finds itself on the core of
// its caller, whose time it would take.
void work(int slot) {
  Index idle_since = now();
  while (now() - idle_since < kSpin) {
    if (work_once(slot) > 0) {
      while (work_once(slot) > 0) {
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
  while (const int some = work_once(0)) {
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

void publish(Index parts, Index nanoseconds, int team, PartBody body,
             const void* context) {
  // As many parts as make kShortest, but some units for each thread.
  const Index unit = std::clamp<Index>(parts * kShortest / nanoseconds, 1,
                                       std::max<Index>(1, parts / (4 * team))) +
                     (parts >> 30);
  const Index units = (parts + unit - 1) / unit;
  const Index most =
      std::clamp<Index>(units * kLongest / nanoseconds, 1, units);
  job.body.store(body, std::memory_order_relaxed);
  job.context.store(context, std::memory_order_relaxed);
  job.parts.store(parts, std::memory_order_relaxed);
  job.unit.store(unit, std::memory_order_relaxed);
  job.units.store(int(units), std::memory_order_relaxed);
  job.most.store(int(most), std::memory_order_relaxed);
  job.threads.store(team, std::memory_order_relaxed);
  job.cpu.store(sched_getcpu(), std::memory_order_relaxed);
  job.unfinished.store(int(units));
  const std::uint64_t epoch = (job.state.load() >> 32) + 1;
  job.state.store((epoch << 32) + std::uint64_t(units));
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
    publish(parts, nanoseconds, team, body, context);
    if (worth_waking) wake(team);
    if (!hot) {
      for (int slot = 1; slot < team; ++slot) workers[slot].last_seen = start;
    }
    finish(team, start);
  }
  job.taken = false;
}

}  // namespace strop::cpu
