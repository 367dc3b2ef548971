#include "cpu/scratch.h"

#include <sys/mman.h>

#include <new>

namespace strop::cpu {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kWorthKeeping = std::size_t{64} << 20;

// Pages straight from the system: on huge pages, and given back when the
// thread ends. A forked child has its own copy.
struct Buffer {
  void* data = nullptr;
  std::size_t size = 0;

  ~Buffer() { release(); }

  void release() {
    if (data != nullptr) munmap(data, size);
    data = nullptr;
    size = 0;
  }

  void* at_least(std::size_t bytes) {
    if (bytes <= size) return data;
    release();
    const std::size_t unit = bytes < kHugePage ? 4096 : kHugePage;
    const std::size_t rounded = (bytes + unit - 1) / unit * unit;
    void* pages = mmap(nullptr, rounded, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    madvise(pages, rounded, MADV_HUGEPAGE);
    data = pages;
    size = rounded;
    return data;
  }
};

thread_local Buffer buffers[2];

}  // namespace

void* scratch(Scratch which, std::size_t bytes) {
  return buffers[static_cast<int>(which)].at_least(bytes);
}

void trim_scratch(Scratch which) {
  Buffer& buffer = buffers[static_cast<int>(which)];
  if (buffer.size > kWorthKeeping) buffer.release();
}

}  // namespace strop::cpu
