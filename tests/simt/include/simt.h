#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

// CUDA threads as fibres of one thread of the host. What it checks:
//
// * Schedules. Every run has an order of its own: by number, reversed, or drawn
//   from a seed; threads stop at barriers, shuffles and atomics, and, where
//   the kernels are compiled with -fsanitize=thread, at any access to memory.
//   Several blocks are under way at a time.
// * Races. With the same flag every access is checked against those of other
//   threads: two of which one writes, with no barrier, fence or atomic between
//   them, are a race whatever the schedule (races.cpp).
// * Bounds. Shared memory is a heap buffer of the exact size, per block, for
//   the address sanitizer to see; it is full of NaN when a block starts.
// * Barriers that some threads never reach, and lanes that are read but do not
//   take part in a shuffle.

namespace simt {

struct Size {
  unsigned x, y, z;
};

inline constexpr int kDevices = 2;
inline int device = 0;

enum class Order { kByNumber, kReversed, kRandom };

// Of the launches from now on.
void set_schedule(Order order, std::uint64_t seed);

// Calls `found` in place of abort with what is wrong; for tests of the checks.
// The launch then ends at once.
void on_fault(std::function<void(const char*)> found);
[[noreturn]] void fail(const char* format, ...)
    __attribute__((format(printf, 1, 2)));

void run_grid(Size grid, Size block, const std::function<void()>& body,
              bool cooperative);

void block_barrier();
void warp_barrier(unsigned mask);
void grid_barrier();
void fence();
void pause();  // where another thread may run
unsigned lane();
void* shared_room(const void* key, std::size_t size);

// Shared memory that a launch gives its blocks, beside what kernels declare;
// without asking for it a kernel gets no more than the first.
inline constexpr std::size_t kMostUnasked = 48 * 1024;
inline std::size_t most_shared = 227 * 1024;  // of this device
inline std::size_t dynamic_shared = 0;        // of the launch under way
bool may_share(const void* kernel, std::size_t size);
bool ask_for_shared(const void* kernel, std::size_t size);
void* dynamic_room();

// What the lanes of a warp lay down for one another.
struct Lanes {
  static constexpr std::size_t kMost = 16;
  unsigned char bytes[32][kMost];

  template <typename T>
  T at(unsigned lane) const {
    T value;
    std::memcpy(&value, bytes[lane], sizeof value);
    return value;
  }
};

// All lanes of `mask` lay down a value; then each may look at them.
const Lanes& meet(unsigned mask, const void* value, std::size_t size);
void require_lane(unsigned mask, unsigned lane);

template <typename T>
T exchange(unsigned mask, T value, unsigned from) {
  static_assert(sizeof(T) <= Lanes::kMost, "a value of 16 bytes at most");
  const Lanes& all = meet(mask, &value, sizeof value);
  require_lane(mask, from);
  return all.at<T>(from);
}

template <typename T, typename F>
unsigned gather(unsigned mask, T value, const F& look) {
  return look(meet(mask, &value, sizeof value), mask);
}

// ---- races -----------------------------------------------------------------

void atomic_access(const void* address, std::size_t size);

// Fibres change at calls of this library only, so that plain arithmetic is
// atomic; it must not count as a plain access, though.
template <typename T, typename F>
__attribute__((noinline, no_sanitize("thread"))) T atomic(T* p,
                                                          const F& update) {
  pause();
  atomic_access(p, sizeof *p);
  T old;
  std::memcpy(&old, p, sizeof old);
  const T now = update(old);
  std::memcpy(p, &now, sizeof now);
  return old;
}

}  // namespace simt
