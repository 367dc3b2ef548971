// Memory of NumPy arrays, kept for the next array of its size while a model
// trains: after the first step a step allocates nothing. NumPy asks the handler
// of the running context for memory (NEP 49), so everything is served: what
// kernels write, and what a layer in plain NumPy leaves behind.
//
// A block knows its size by a header, so arrays may outlive the training that
// made them, and be freed from any thread.

#include <pybind11/pybind11.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace py = pybind11;

namespace strop::bind {
namespace {

constexpr std::size_t kLine = 64;
// From kLarge on memory is mapped in pages of kHugePage: of 26 MB a batch
// normalization takes a quarter less time, since the table of pages of 4 KB
// fits into no cache of the processor. What the C library has had in small
// pages before stays in them, so that it is not asked.
constexpr std::size_t kLarge = std::size_t{4} << 20;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Before the memory of an array, which so begins at a cache line.
struct alignas(kLine) Header {
  std::size_t capacity;
  void* mapping;  // which has it, or null
  std::size_t mapped;
};

class Recycler {
 public:
  void* take(std::size_t size) {
    const std::size_t capacity = capacity_for(size);
    if (capacity < size) return nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      auto found = free_.find(capacity);
      if (found != free_.end() && !found->second.empty()) {
        void* memory = found->second.back();
        found->second.pop_back();
        ++reused_;
        return memory;
      }
      ++fresh_;
    }
    Header header{capacity, nullptr, 0};
    void* raw = fresh(sizeof(Header) + capacity, header);
    if (raw == nullptr) return nullptr;
    new (raw) Header(header);
    return static_cast<char*>(raw) + sizeof(Header);
  }

  void give(void* memory) {
    if (memory == nullptr) return;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (users_ > 0) {
        free_[capacity_of(memory)].push_back(memory);
        return;
      }
    }
    release(memory);
  }

  std::size_t capacity_of(void* memory) const {
    return header_of(memory)->capacity;
  }

  void open() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++users_;
  }

  // With the last user goes what is kept.
  void close() {
    std::unordered_map<std::size_t, std::vector<void*>> kept;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (--users_ == 0) kept.swap(free_);
    }
    for (auto& [capacity, blocks] : kept) {
      for (void* memory : blocks) release(memory);
    }
  }

  py::tuple counts() {
    std::lock_guard<std::mutex> lock(mutex_);
    return py::make_tuple(fresh_, reused_);
  }

 private:
  static Header* header_of(void* memory) {
    return reinterpret_cast<Header*>(static_cast<char*>(memory) -
                                     sizeof(Header));
  }

  static void* fresh(std::size_t size, Header& header) {
#if defined(__linux__)
    if (size >= kLarge) {
      const std::size_t whole = (size + kHugePage - 1) & ~(kHugePage - 1);
      const std::size_t mapped = whole + kHugePage;  // to begin at a page
      if (mapped < size) return nullptr;
      void* at = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (at == MAP_FAILED) return nullptr;
      header.mapping = at;
      header.mapped = mapped;
      const auto first = reinterpret_cast<std::uintptr_t>(at) + kHugePage - 1;
      void* raw = reinterpret_cast<void*>(first & ~(kHugePage - 1));
      madvise(raw, whole, MADV_HUGEPAGE);
      return raw;
    }
#endif
    return std::aligned_alloc(kLine, size);
  }

  static void release(void* memory) {
    const Header header = *header_of(memory);
#if defined(__linux__)
    if (header.mapping != nullptr) {
      munmap(header.mapping, header.mapped);
      return;
    }
#endif
    std::free(header_of(memory));
  }

  // Eight sizes between powers of two: at most an eighth is wasted, and the
  // short last batch of an epoch often takes the blocks of the others.
  static std::size_t capacity_for(std::size_t size) {
    if (size <= kLine) return kLine;
    std::size_t step = kLine;
    while (step < size / 16) step *= 2;
    return (size + step - 1) / step * step;
  }

  std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<void*>> free_;
  int users_ = 0;
  std::int64_t fresh_ = 0, reused_ = 0;
};

// Never destroyed: arrays may be freed after everything else.
Recycler& recycler() {
  static Recycler* one = new Recycler;
  return *one;
}

void* allocate(void*, std::size_t size) { return recycler().take(size); }

void* allocate_zeros(void*, std::size_t count, std::size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  void* memory = recycler().take(count * size);
  if (memory != nullptr) std::memset(memory, 0, count * size);
  return memory;
}

void release(void*, void* memory, std::size_t) { recycler().give(memory); }

void* reallocate(void* context, void* memory, std::size_t size) {
  if (memory == nullptr) return allocate(context, size);
  const std::size_t had = recycler().capacity_of(memory);
  if (size <= had) return memory;
  void* larger = recycler().take(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, memory, had);
  recycler().give(memory);
  return larger;
}

// PyDataMem_Handler of NumPy's C API, version 1.
struct Handler {
  char name[127];
  std::uint8_t version;
  void* context;
  void* (*malloc)(void*, std::size_t);
  void* (*calloc)(void*, std::size_t, std::size_t);
  void* (*realloc)(void*, void*, std::size_t);
  void (*free)(void*, void*, std::size_t);
};

Handler handler = {"strop_recycler", 1,           nullptr, &allocate,
                   &allocate_zeros,  &reallocate, &release};

// PyDataMem_SetHandler has place 304 in NumPy's table of functions, since 1.22.
PyObject* set_handler(PyObject* capsule) {
  static void** const table = [] {
    py::object api =
        py::module_::import("numpy._core._multiarray_umath").attr("_ARRAY_API");
    return static_cast<void**>(PyCapsule_GetPointer(api.ptr(), nullptr));
  }();
  if (table == nullptr) throw py::error_already_set();
  using Set = PyObject* (*)(PyObject*);
  PyObject* before = reinterpret_cast<Set>(table[304])(capsule);
  if (before == nullptr) throw py::error_already_set();
  return before;
}

}  // namespace

void bind_recycler(py::module_& m) {
  m.def(
      "start_recycling",
      [] {
        static PyObject* const capsule =
            PyCapsule_New(&handler, "mem_handler", nullptr);
        py::object before =
            py::reinterpret_steal<py::object>(set_handler(capsule));
        recycler().open();
        return before;
      },
      "Serve NumPy arrays of this context; returns the handler before.");
  m.def(
      "stop_recycling",
      [](const py::object& before) {
        Py_DECREF(set_handler(before.ptr()));
        recycler().close();
      },
      py::arg("before"));
  m.def(
      "recycled_blocks", [] { return recycler().counts(); },
      "How many blocks were allocated, and how many were used again.");
}

}  // namespace strop::bind
