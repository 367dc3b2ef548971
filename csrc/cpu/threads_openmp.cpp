// OpenMP: for systems without futexes, and on request (STROP_THREADS=openmp).

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>

#include "cpu/parallel.h"

namespace strop::cpu {
namespace {

// An empty region takes 0.5 us while the workers spin and 15-100 once they
// sleep, and it ends only when every thread of its team has been there.
constexpr Index kWorthSharing = 200'000;

// Regions in flight. libgomp keeps one pool per calling thread, so two Python
// threads in two regions would oversubscribe the cores: the second runs alone.
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

}  // namespace

const char* threads_name() { return "openmp"; }

int openmp_version() { return _OPENMP; }

int helpful_threads(Index nanoseconds) {
  return nanoseconds < kWorthSharing ? 1 : num_threads();
}

void run_parts(Index parts, Index nanoseconds, Index threads, PartBody body,
               const void* context) {
  const int team =
      int(std::min({Index{helpful_threads(nanoseconds)}, threads, parts}));
  if (team <= 1 || serial_for_good) return body(context, 0, parts, 0);
  if (in_flight.fetch_add(1) != 0) {
    body(context, 0, parts, 0);
  } else {
#pragma omp parallel for num_threads(team) schedule(guided)
    for (Index i = 0; i < parts; ++i) {
      body(context, i, i + 1, omp_get_thread_num());
    }
  }
  in_flight.fetch_sub(1);
}

}  // namespace strop::cpu
