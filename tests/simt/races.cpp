// Races, whatever the schedule. The kernels are compiled with
// -fsanitize=thread, whose calls before every access come here instead of to
// the sanitizer's own library. Per word of memory, or per byte of a word that
// was touched in part, the last write and the last two readers are kept; an
// access must be ordered after them:
//
//     same thread        always
//     same block         a block barrier between, or one of their warp
//     other block        a grid barrier, or: the first one fenced, then an
//                        atomic, and the second block has seen that atomic
//
// Atomics do not race with one another.

#include <unordered_map>

#include "cuda_runtime.h"
#include "scheduler.h"

namespace simt {
namespace {

struct Access {
  const Thread* thread = nullptr;
  std::uint64_t block, block_epoch, warp_epoch, grid_epoch;
  unsigned number, warp;
  bool atomic;
};

struct Place {
  Access write, read, other_read;
};

struct Word {
  Place whole;
  std::vector<Place> bytes;  // in its place, where there are any
};

std::unordered_map<std::uintptr_t, Word> words;
std::unordered_map<std::uintptr_t, Releases> released;  // through an atomic
std::unordered_map<std::uint64_t, Releases> seen;       // by a block

Access access_of(const Thread& t, bool atomic) {
  return {&t,         t.block->number, t.block->epoch, t.warp->epoch,
          grid_epoch, t.number,        t.warp->number, atomic};
}

bool ordered(const Access& before, const Access& now) {
  if (before.thread == nullptr) return true;
  if (before.block == now.block) {
    return before.number == now.number ||
           before.block_epoch < now.block_epoch ||
           (before.warp == now.warp && before.warp_epoch < now.warp_epoch);
  }
  if (before.grid_epoch < now.grid_epoch) return true;
  const auto view = seen.find(now.block);
  if (view == seen.end()) return false;
  const auto from = view->second.find(before.block);
  if (from == view->second.end()) return false;
  for (const Release& r : from->second) {
    if (before.block_epoch < r.epoch) return true;
    if (before.block_epoch == r.epoch && before.number == r.thread) return true;
  }
  return false;
}

void require(const Access& before, const Access& now, const char* what) {
  if (ordered(before, now) || (before.atomic && now.atomic)) return;
  fail("a race: thread %u of block %llu %s what thread %u of block %llu %s",
       now.number, static_cast<unsigned long long>(now.block), what,
       before.number, static_cast<unsigned long long>(before.block),
       "touched, with nothing between them");
}

void note(Place& w, const Access& now, bool writes) {
  const bool atomic = now.atomic;
  require(w.write, now, writes ? "overwrites" : "reads");
  if (writes) {
    require(w.read, now, "overwrites");
    require(w.other_read, now, "overwrites");
    w.write = now;
    if (!atomic) {
      w.read = w.other_read = Access{};
    }
  } else {
    if (w.read.thread != now.thread) w.other_read = w.read;
    w.read = now;
  }
}

void note_all(std::uintptr_t at, std::size_t size, bool writes, bool atomic) {
  constexpr std::uintptr_t kWord = 4;
  const Access now = access_of(*self, atomic);
  const std::uintptr_t end = at + size;
  while (at < end) {
    Word& word = words[at / kWord];
    const std::uintptr_t first = at % kWord;
    const std::uintptr_t last = std::min(kWord, first + (end - at));
    if (last - first < kWord && word.bytes.empty()) {
      word.bytes.assign(kWord, word.whole);
    }
    if (word.bytes.empty()) {
      note(word.whole, now, writes);
    } else {
      for (std::uintptr_t b = first; b < last; ++b) {
        note(word.bytes[b], now, writes);
      }
    }
    at += last - first;
  }
}

bool private_to_thread(const void* address) {
  const auto inside = [address](const dim3& d) {
    return address >= &d && address < &d + 1;
  };
  return self->fibre.has(address) || inside(threadIdx) || inside(blockIdx) ||
         inside(blockDim) || inside(gridDim);
}

void access(const void* address, std::size_t size, bool writes) {
  if (self == nullptr || private_to_thread(address)) return;
  pause();
  note_all(reinterpret_cast<std::uintptr_t>(address), size, writes, false);
  if (writes) self->fenced = false;
}

void merge(Releases& into, const Releases& from) {
  for (const auto& [block, all] : from) {
    into[block].insert(all.begin(), all.end());
  }
}

}  // namespace

void forget_accesses(const void* begin, std::size_t size) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  for (std::uintptr_t w = at / 4; w <= (at + size - 1) / 4; ++w) words.erase(w);
}

void forget_all_accesses() {
  words.clear();
  released.clear();
  seen.clear();
}

void fence() {
  self->fenced = true;
  self->fence_epoch = self->block->epoch;
  merge(seen[self->block->number], self->met);
  self->met.clear();
}

void atomic_access(const void* address, std::size_t size) {
  if (self == nullptr) return;
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  note_all(at, size, true, true);
  Releases& through = released[at];
  merge(self->met, through);  // in force from the next fence on
  if (self->fenced) {
    const std::uint64_t own = self->block->number;
    through[own].insert({self->fence_epoch, self->number});
    merge(through, seen[own]);
  }
}

}  // namespace simt

// What the compiler calls.
#define STROP_ACCESS(size)                                                    \
  void __tsan_read##size(void* p) { simt::access(p, size, false); }           \
  void __tsan_write##size(void* p) { simt::access(p, size, true); }           \
  void __tsan_unaligned_read##size(void* p) { simt::access(p, size, false); } \
  void __tsan_unaligned_write##size(void* p) { simt::access(p, size, true); }

extern "C" {
STROP_ACCESS(1)
STROP_ACCESS(2)
STROP_ACCESS(4)
STROP_ACCESS(8)
STROP_ACCESS(16)
void __tsan_read_range(void* p, std::size_t size) {
  simt::access(p, size, false);
}
void __tsan_write_range(void* p, std::size_t size) {
  simt::access(p, size, true);
}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_init() {}
// What guards a static of the host.
char __tsan_atomic8_load(const volatile char* p, int) { return *p; }
}
