#include "cpu/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>

#include "cpu/parallel.h"

namespace strop::cpu {
namespace {

// A worker that has nothing to do looks for work this long before it sleeps.
constexpr Index kSpin = 50'000;
// Less work than this is done before a helper has seen it.
constexpr Index kWorthSharing = 4'000;
// Waking a sleeper takes the caller 2-5 us and the sleeper 15-100: worth it for
// this much work, or when the calls come so fast that it will not sleep again.
constexpr Index kWorthWaking = 100'000;
constexpr Index kHotGap = 40'000;
// A worker that has missed this much work is probably queued behind its caller.
constexpr Index kMissed = 300'000;
constexpr int kMostWorkers = 255;

// One job at a time. `state` is (epoch << 32) + parts that nobody has taken: a
// worker takes one by a compare-and-swap, which fails if the job has changed
// since it read the fields.
struct Job {
  std::atomic<std::uint64_t> state{0};
  std::atomic<PartBody> body{nullptr};
  std::atomic<const void*> context{nullptr};
  std::atomic<int> threads{0};  // slots that may take part
  alignas(64) std::atomic<int> unfinished{0};
  std::atomic<bool> waiting{false};  // the caller sleeps until none is left
  alignas(64) std::atomic<int> alarm{0};  // futex that sleepers wait on
  std::atomic<int> asleep{0};
  std::atomic<int> workers{0};
  std::atomic<Index> last_end{0};
  alignas(64) std::atomic<bool> taken{false};  // by a caller
};

Job job;

struct Worker {
  std::atomic<int> thread{0};
  std::atomic<std::uint32_t> epoch{0};  // of the last job it took part in
  std::atomic<bool> sleeps{false};
  std::atomic<bool> barred{false};  // from a core, until it runs
  cpu_set_t home;                   // the cores it may use then
  Index last_seen = 0;              // the caller's: when it last took part
};

Worker workers[kMostWorkers + 1];

Index now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Index{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

long futex(std::atomic<int>* word, int operation, int value) {
  static_assert(sizeof(*word) == sizeof(int));
  return syscall(SYS_futex, reinterpret_cast<int*>(word), operation, value,
                 nullptr, nullptr, 0);
}

// Takes and does one part; false if there is none for this slot.
bool work_once(int slot) {
  std::uint64_t state = job.state.load();
  const auto left = static_cast<std::uint32_t>(state);
  if (left == 0) return false;
  const PartBody body = job.body.load(std::memory_order_relaxed);
  const void* context = job.context.load(std::memory_order_relaxed);
  if (slot >= job.threads.load(std::memory_order_relaxed)) return false;
  if (job.state.compare_exchange_strong(state, state - 1)) {
    workers[slot].epoch.store(static_cast<std::uint32_t>(state >> 32),
                              std::memory_order_relaxed);
    body(context, Index{left} - 1, slot);
    if (job.unfinished.fetch_sub(1) == 1 && job.waiting.load()) {
      futex(&job.unfinished, FUTEX_WAKE_PRIVATE, INT_MAX);
    }
  }
  return true;
}

// The scheduler likes to wake a worker on the very core of its caller, where it
// runs when the caller has done everything. A worker is therefore barred from
// that core until it runs. False if there is no other core.
bool others(const cpu_set_t& allowed, cpu_set_t* without) {
  *without = allowed;
  CPU_CLR(sched_getcpu(), without);
  return CPU_COUNT(without) > 0;
}

void bar(Worker& w) {
  cpu_set_t without;
  if (w.barred || sched_getaffinity(w.thread, sizeof w.home, &w.home) != 0) {
    return;
  }
  if (!others(w.home, &without)) return;
  w.barred = true;
  sched_setaffinity(w.thread, sizeof without, &without);
}

void let_home(Worker& w) {
  if (w.barred.exchange(false)) sched_setaffinity(0, sizeof w.home, &w.home);
}

void* worker(void* slot_pointer) {
  const int slot =
      static_cast<int>(reinterpret_cast<std::intptr_t>(slot_pointer));
  Worker& self = workers[slot];
  self.thread = static_cast<int>(syscall(SYS_gettid));
  for (;;) {
    let_home(self);
    Index idle_since = now();
    while (now() - idle_since < kSpin) {
      if (work_once(slot)) {
        while (work_once(slot)) {
        }
        idle_since = now();
      }
      // No sched_yield here: it would hand the core for milliseconds to the
      // spinning worker of another library.
      for (int i = 0; i < 16; ++i) pause();
    }
    const int seen = job.alarm.load();
    self.sleeps = true;
    job.asleep.fetch_add(1);
    if (static_cast<std::uint32_t>(job.state.load()) == 0 ||
        slot >= job.threads.load()) {
      futex(&job.alarm, FUTEX_WAIT_PRIVATE, seen);
    }
    job.asleep.fetch_sub(1);
    self.sleeps = false;
  }
}

// The child has no workers: it starts its own when it needs them.
void in_child() {
  job.state = 0;
  job.unfinished = 0;
  job.asleep = 0;
  job.workers = 0;
  job.waiting = false;
  job.taken = false;
  for (Worker& w : workers) {
    w.thread = 0;
    w.sleeps = false;
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
  cpu_set_t allowed, without;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_ZERO(&allowed);
  const bool elsewhere = others(allowed, &without);
  if (elsewhere) {
    pthread_attr_setaffinity_np(&attributes, sizeof without, &without);
  }
  for (int slot = job.workers + 1; slot <= count; ++slot) {
    workers[slot].home = allowed;
    workers[slot].barred = elsewhere;
    pthread_t thread;
    void* argument = reinterpret_cast<void*>(std::intptr_t{slot});
    if (pthread_create(&thread, &attributes, worker, argument) != 0) break;
    job.workers = slot;
  }
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void run_alone(Index parts, PartBody body, const void* context) {
  for (Index part = 0; part < parts; ++part) body(context, part, 0);
}

// Either may also be moved to the other's core later, and while the other cores
// look busy the scheduler leaves it there.
void look_for_missing(int threads) {
  const auto epoch = static_cast<std::uint32_t>(job.state.load() >> 32);
  const Index time = now();
  for (int slot = 1; slot < threads && slot <= job.workers; ++slot) {
    Worker& w = workers[slot];
    if (w.epoch.load(std::memory_order_relaxed) == epoch || w.barred) {
      w.last_seen = time;
    } else if (time - w.last_seen > kMissed && w.thread != 0) {
      w.last_seen = time;
      cpu_set_t allowed, without;
      if (sched_getaffinity(w.thread, sizeof allowed, &allowed) != 0) return;
      if (!others(allowed, &without)) return;
      sched_setaffinity(w.thread, sizeof without, &without);
      sched_setaffinity(w.thread, sizeof allowed, &allowed);
    }
  }
}

void wake(int threads) {
  for (int slot = 1; slot < threads && slot <= job.workers; ++slot) {
    if (workers[slot].sleeps && workers[slot].thread != 0) bar(workers[slot]);
  }
  job.alarm.fetch_add(1);
  futex(&job.alarm, FUTEX_WAKE_PRIVATE, INT_MAX);
}

// The caller's own share, and the wait for parts that others have begun.
void finish(int threads) {
  while (work_once(0)) look_for_missing(threads);
  for (int i = 0; job.unfinished.load() != 0; ++i) {
    if (i < 200) {
      pause();
    } else if (i < 400) {
      sched_yield();
    } else {
      job.waiting = true;
      const int seen = job.unfinished.load();
      if (seen != 0) futex(&job.unfinished, FUTEX_WAIT_PRIVATE, seen);
      job.waiting = false;
    }
  }
}

}  // namespace

int helpful_threads(Index nanoseconds) {
  if (nanoseconds < kWorthSharing) return 1;
  return std::min(num_threads(), kMostWorkers + 1);
}

void run_parts(Index parts, Index nanoseconds, PartBody body,
               const void* context) {
  const int threads = helpful_threads(nanoseconds);
  if (threads == 1 || parts == 1 || job.taken.exchange(true)) {
    return run_alone(parts, body, context);
  }
  if (job.workers < threads - 1) start_workers(threads - 1);
  const bool asleep = job.asleep.load() >= job.workers.load();
  const bool hot = now() - job.last_end.load() < kHotGap;
  const bool worth_waking = nanoseconds >= kWorthWaking || hot;
  if (asleep && !worth_waking) {
    run_alone(parts, body, context);
  } else {
    job.body.store(body, std::memory_order_relaxed);
    job.context.store(context, std::memory_order_relaxed);
    job.threads.store(threads, std::memory_order_relaxed);
    job.unfinished.store(static_cast<int>(parts));
    const std::uint64_t epoch = (job.state.load() >> 32) + 1;
    job.state.store((epoch << 32) + static_cast<std::uint64_t>(parts));
    if (worth_waking && job.asleep.load() > 0) wake(threads);
    if (!hot) {
      const Index time = now();
      for (int slot = 1; slot < threads; ++slot) workers[slot].last_seen = time;
    }
    finish(threads);
  }
  job.last_end.store(now(), std::memory_order_relaxed);
  job.taken = false;
}

}  // namespace strop::cpu
