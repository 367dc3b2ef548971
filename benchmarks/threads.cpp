// What sharing out work costs: regions of a given length on two threads, one
// after another with pauses between. threads.py builds and runs this with
// each of the ways to run threads and prints the table.
//
//   bench_threads THREADS WORK_US CLAIM_US PAUSE_US REGIONS
//
// tells run_parts that the work takes CLAIM_US and prints the best, the median,
// the 90th and 99th percentile and the mean of a region, in us.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cpu/parallel.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Counted steps rather than a clock: who is not running does no work.
double steps(long count, double x) {
  for (long i = 0; i < count; ++i) x = x * 0.999999 + 1e-6;
  return x;
}

double sink[64 * 8];

double steps_per_us() {
  double best = 1;
  for (int i = 0; i < 50; ++i) {
    const auto start = Clock::now();
    sink[0] = steps(20'000, sink[0]);
    best = std::min(best, seconds_since(start));
  }
  return 20'000 / (best * 1e6);
}

}  // namespace

int main(int count, char** values) {
  if (count != 6) return 2;
  const int threads = std::atoi(values[1]);
  const double work = std::atof(values[2]);
  const auto claim = strop::Index(std::atof(values[3]) * 1000);
  const double pause = std::atof(values[4]);
  const int regions = std::atoi(values[5]);
  const double rate = steps_per_us();
  const int parts = 16;
  const long each = long(work * rate / parts);
  strop::cpu::set_num_threads(threads);
  std::vector<double> times;
  for (int i = 0; i < regions; ++i) {
    const auto start = Clock::now();
    strop::cpu::for_parts(parts, claim, [=](strop::Index, int slot) {
      sink[8 * slot] = steps(each, sink[8 * slot]);
    });
    times.push_back(seconds_since(start) * 1e6);
    const auto end = Clock::now();
    while (seconds_since(end) * 1e6 < pause) {
    }
  }
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (double t : times) sum += t;
  const auto at = [&](double q) {
    return times[std::size_t(q * (regions - 1))];
  };
  std::printf("%.2f %.2f %.2f %.2f %.2f\n", times[0], at(0.5), at(0.9),
              at(0.99), sum / regions);
}
