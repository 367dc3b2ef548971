#include "cpu/parallel.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>

namespace strop::cpu {
namespace {

std::atomic<int> threads{0};  // 0: not set yet

// Regions in flight. libgomp keeps one pool per calling thread, so two Python
// threads in two regions would oversubscribe the cores: the second runs serial.
std::atomic<int> in_flight{0};

// A child forked while another thread was inside a region has inherited a pool
// whose workers do not exist; it stays serial.
std::atomic<bool> serial_for_good{false};
bool forked_in_flight = false;

// libgomp's pool does not survive fork: a region in the child would wait for
// ever (gcc bug 52303). Releasing the pool before the fork lets both go on.
void before_fork() {
  forked_in_flight = in_flight.load() != 0;
  if (!forked_in_flight) omp_pause_resource_all(omp_pause_soft);
}

void in_child() {
  if (forked_in_flight) serial_for_good = true;
  in_flight = 0;
}

const int fork_handlers = pthread_atfork(before_fork, nullptr, in_child);

void run_serial(Index n, Index chunk, ChunkBody body, const void* context) {
  for (Index begin = 0; begin < n; begin += chunk) {
    body(context, begin, std::min(begin + chunk, n));
  }
}

}  // namespace

int default_num_threads() {
  // The affinity mask and OMP_NUM_THREADS, whichever is less.
  return std::max(1, std::min(omp_get_num_procs(), omp_get_max_threads()));
}

int num_threads() {
  const int set = threads.load(std::memory_order_relaxed);
  return set > 0 ? set : default_num_threads();
}

void set_num_threads(int count) { threads = count; }

int openmp_version() { return _OPENMP; }

void run_chunks(Index n, Index chunk, bool parallel, ChunkBody body,
                const void* context) {
  const Index chunks = (n + chunk - 1) / chunk;
  const int team =
      parallel ? static_cast<int>(std::min<Index>(num_threads(), chunks)) : 1;
  if (team <= 1 || serial_for_good) return run_serial(n, chunk, body, context);
  if (in_flight.fetch_add(1) != 0) {
    run_serial(n, chunk, body, context);
  } else {
#pragma omp parallel for num_threads(team) schedule(static)
    for (Index i = 0; i < chunks; ++i) {
      body(context, i * chunk, std::min((i + 1) * chunk, n));
    }
  }
  in_flight.fetch_sub(1);
}

}  // namespace strop::cpu
