// Runs a grid: a few blocks at a time, one fibre per thread, in the order that
// set_schedule asked for.

#include "scheduler.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>

#include "cuda_runtime.h"

namespace simt {

Thread* self = nullptr;
std::uint64_t grid_epoch = 0;

namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kPauses = 8;  // one in so many chances is taken

Order order = Order::kByNumber;
std::uint64_t state = 1;
std::function<void(const char*)> on_found;
bool failed = false;

const std::function<void()>* body = nullptr;
std::vector<std::unique_ptr<Block>> blocks;  // under way
std::vector<Thread*> ready;
std::uint64_t grid_live = 0, grid_waiting = 0;
std::vector<Thread*> at_grid_barrier;
std::map<Block*, std::vector<Thread*>> at_block_barrier;

std::uint64_t draw(std::uint64_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % below;
}

void wake(std::vector<Thread*>& threads) {
  // By number, the first comes last, since the next is taken from the end.
  if (order == Order::kByNumber) {
    ready.insert(ready.end(), threads.rbegin(), threads.rend());
  } else {
    ready.insert(ready.end(), threads.begin(), threads.end());
  }
  threads.clear();
}

void by_number(std::vector<Thread*>& threads) {
  std::sort(threads.begin(), threads.end(), [](Thread* a, Thread* b) {
    return std::make_pair(a->block->number, a->number) <
           std::make_pair(b->block->number, b->number);
  });
}

void open_block_barrier(Block& block) {
  if (block.waiting == 0 || block.waiting < block.live) return;
  ++block.epoch;
  block.waiting = 0;
  auto& threads = at_block_barrier[&block];
  by_number(threads);
  wake(threads);
}

void open_grid_barrier() {
  if (grid_waiting == 0 || grid_waiting < grid_live) return;
  ++grid_epoch;
  grid_waiting = 0;
  for (auto& block : blocks) ++block->epoch;
  by_number(at_grid_barrier);
  wake(at_grid_barrier);
}

void wait() { self->fibre.stop(false); }

void run_thread() {
  Thread* own = self;
  (*body)();
  own->done = true;
  --own->block->live;
  --grid_live;
  open_block_barrier(*own->block);
  open_grid_barrier();
  own->fibre.stop(true);
}

void add_block(std::uint64_t number, Size grid, Size size) {
  auto block = std::make_unique<Block>();
  block->number = number;
  block->index = {unsigned(number % grid.x), unsigned(number / grid.x % grid.y),
                  unsigned(number / grid.x / grid.y)};
  const unsigned count = size.x * size.y * size.z;
  block->live = count;
  grid_live += count;
  block->warps.resize((count + kWarp - 1) / kWarp);
  std::vector<Thread*> threads;
  for (unsigned i = 0; i < count; ++i) {
    auto thread = std::make_unique<Thread>();
    thread->number = i;
    thread->index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    thread->block = block.get();
    thread->warp = &block->warps[i / kWarp];
    thread->warp->number = i / kWarp;
    thread->fibre.start(run_thread);
    threads.push_back(thread.get());
    block->threads.push_back(std::move(thread));
  }
  wake(threads);
  blocks.push_back(std::move(block));
}

void resume(Thread* thread) {
  const auto index = [](Size s) { return dim3(s.x, s.y, s.z); };
  self = thread;
  threadIdx = index(thread->index);
  blockIdx = index(thread->block->index);
  thread->fibre.resume();
  self = nullptr;
}

Thread* next() {
  if (order == Order::kRandom) {
    std::swap(ready[draw(ready.size())], ready.back());
  }
  Thread* thread = ready.back();
  ready.pop_back();
  return thread;
}

void remove_finished() {
  const auto finished = [](const auto& block) { return block->live == 0; };
  for (auto& block : blocks) {
    if (!finished(block)) continue;
    at_block_barrier.erase(block.get());
    for (const Room& room : block->rooms) {
      forget_accesses(room.begin, room.size);  // the next block may get it
    }
  }
  blocks.erase(std::remove_if(blocks.begin(), blocks.end(), finished),
               blocks.end());
}

struct Stopped : std::exception {};

}  // namespace

void set_schedule(Order which, std::uint64_t seed) {
  order = which;
  state = seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;
}

void on_fault(std::function<void(const char*)> found) {
  on_found = std::move(found);
}

void fail(const char* format, ...) {
  char text[400];
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  if (!on_found) {
    std::fprintf(stderr, "simt: %s\n", text);
    std::abort();
  }
  on_found(text);
  failed = true;
  if (self != nullptr) self->fibre.stop(true);
  throw Stopped();
}

void run_grid(Size grid, Size block, const std::function<void()>& kernel,
              bool cooperative) {
  const auto total = std::uint64_t{grid.x} * grid.y * grid.z;
  body = &kernel;
  blockDim = dim3(block.x, block.y, block.z);
  gridDim = dim3(grid.x, grid.y, grid.z);
  failed = false;
  const std::uint64_t at_once = cooperative               ? total
                                : order == Order::kRandom ? 1 + draw(4)
                                                          : 1;
  std::vector<std::uint64_t> numbers(total);
  for (std::uint64_t i = 0; i < total; ++i) {
    numbers[i] = order == Order::kByNumber ? total - 1 - i : i;
  }
  if (order == Order::kRandom) {
    for (std::uint64_t i = total; i > 1; --i) {
      std::swap(numbers[i - 1], numbers[draw(i)]);
    }
  }
  try {
    while (!failed && (!blocks.empty() || !numbers.empty())) {
      while (blocks.size() < at_once && !numbers.empty()) {
        add_block(numbers.back(), grid, block);
        numbers.pop_back();
      }
      while (!ready.empty() && !failed) {
        Thread* thread = next();
        resume(thread);
        if (thread->done && thread->block->live == 0) break;
      }
      const std::size_t before = blocks.size();
      remove_finished();
      if (!failed && ready.empty() && blocks.size() == before) {
        fail("%llu threads wait for others that never come",
             static_cast<unsigned long long>(grid_live));
      }
    }
  } catch (const Stopped&) {
  }
  blocks.clear();
  ready.clear();
  at_block_barrier.clear();
  at_grid_barrier.clear();
  grid_live = grid_waiting = 0;
  forget_all_accesses();
}

void pause() {
  if (self == nullptr || order != Order::kRandom || draw(kPauses) != 0) return;
  ready.push_back(self);
  wait();
}

unsigned lane() { return self->number % kWarp; }

void block_barrier() {
  Block& block = *self->block;
  ++block.waiting;
  at_block_barrier[&block].push_back(self);
  open_block_barrier(block);
  wait();
}

void grid_barrier() {
  ++grid_waiting;
  at_grid_barrier.push_back(self);
  open_grid_barrier();
  wait();
}

void warp_barrier(unsigned mask) {
  meet(mask, nullptr, 0);
  // Once per lane rather than once: only that it grows counts.
  ++self->warp->epoch;
}

void require_lane(unsigned mask, unsigned from) {
  if (from >= kWarp || (mask >> from & 1) == 0) {
    fail("a shuffle reads lane %u, which mask %08x leaves out", from, mask);
  }
}

const Lanes& meet(unsigned mask, const void* value, std::size_t size) {
  if ((mask >> lane() & 1) == 0) {
    fail("lane %u is not in its own mask %08x", lane(), mask);
  }
  Warp& warp = *self->warp;
  // Lanes that the block does not have are in kAll by custom.
  unsigned present = 0;
  for (unsigned l = 0; l < kWarp; ++l) {
    const unsigned number = self->number / kWarp * kWarp + l;
    if (number < self->block->threads.size()) present |= 1u << l;
  }
  Meeting& meeting = warp.meetings[mask];
  const std::uint64_t generation = meeting.generation;
  Lanes& lanes = meeting.lanes[generation % 2];
  if (size > 0) std::memcpy(lanes.bytes[lane()], value, size);
  meeting.arrived |= 1u << lane();
  meeting.waiting.push_back(self);
  if (meeting.arrived == (mask & present)) {
    meeting.arrived = 0;
    ++meeting.generation;
    by_number(meeting.waiting);
    wake(meeting.waiting);
  }
  wait();
  return lanes;
}

void* shared_room(const void* key, std::size_t size) {
  for (const Room& room : self->block->rooms) {
    if (room.key == key) return room.begin;
  }
  Room room{key, nullptr, nullptr, size};
  room.bytes.reset(new unsigned char[size]);  // aligned to 16
  room.begin = room.bytes.get();
  // The heap may hand out what held the lanes of a finished block, which its
  // threads have read: no race with this room.
  forget_accesses(room.begin, size);
  std::memset(room.begin, 0xff, size);  // NaN, -1
  self->block->rooms.push_back(std::move(room));
  return self->block->rooms.back().begin;
}

namespace {
std::map<const void*, std::size_t> asked_for;
std::mutex asking;
}  // namespace

bool may_share(const void* kernel, std::size_t size) {
  const std::lock_guard<std::mutex> mine(asking);
  const auto asked = asked_for.find(kernel);
  return size <= (asked == asked_for.end() ? kMostUnasked : asked->second);
}

bool ask_for_shared(const void* kernel, std::size_t size) {
  if (size > most_shared) return false;
  const std::lock_guard<std::mutex> mine(asking);
  asked_for[kernel] = size;
  return true;
}

void* dynamic_room() {
  if (dynamic_shared == 0) fail("the launch gives no shared memory");
  return shared_room(&dynamic_shared, dynamic_shared);
}

}  // namespace simt

// Where this program keeps its device, for the array library of the tests.
extern "C" __attribute__((visibility("default"))) int* simt_device() {
  return &simt::device;
}

// The order of the kernels to come: 0 by number, 1 reversed, else drawn from
// the number as a seed.
extern "C" __attribute__((visibility("default"))) void simt_schedule(
    unsigned seed) {
  using simt::Order;
  simt::set_schedule(seed == 0   ? Order::kByNumber
                     : seed == 1 ? Order::kReversed
                                 : Order::kRandom,
                     seed);
}
