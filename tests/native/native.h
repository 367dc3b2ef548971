#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/loss.h"

#ifndef STROP_SIMT
#define STROP_SIMT 0
#endif
#ifndef STROP_SIMT_RACES
#define STROP_SIMT_RACES 0
#endif

// What the tests of the kernels share. Every test runs for each instruction
// set, on one thread and on three, and with its arrays against the page before
// and against the page after, neither of which may be touched. Those of stems
// that have a CUDA kernel are compiled a second time and run it as fibres
// (tests/simt), in many orders.

namespace strop {
#if STROP_SIMT
namespace backend = cuda;
#else
namespace cpu {}
namespace backend = cpu;
#endif
}  // namespace strop

namespace strop::native {

// What stands before the partial sums of a loss.
constexpr Index kHeader = STROP_SIMT ? kLossHeader : 0;

// A large size where one fibre per CUDA thread would take seconds.
constexpr int limited(int n, int most = 5'003) {
  return STROP_SIMT && n > most ? most : n;
}

#define STROP_CHECK(condition, ...)                                        \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s failed: ", __FILE__, __LINE__,       \
                   #condition);                                            \
      std::fprintf(stderr, __VA_ARGS__);                                   \
      std::fprintf(stderr, " (%s)\n", ::strop::native::setting().c_str()); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

std::string setting();  // set, threads and place, for messages
bool arrays_at_end();   // of their pages; else at the start
void record(const void* data, std::size_t bytes);  // a result's bits

double random_number();  // in [-1, 1), the same sequence for every test run

// An array between two pages that nobody may read or write.
template <typename T>
class Guarded {
 public:
  explicit Guarded(Index size) : size_(size) {
    static const auto kPage = std::size_t(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = std::size_t(size) * sizeof(T);
    const std::size_t inner = (bytes + kPage - 1) / kPage * kPage;
    mapped_ = inner + 2 * kPage;
    void* pages =
        mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    STROP_CHECK(pages != MAP_FAILED, "no %zu bytes", mapped_);
    pages_ = static_cast<char*>(pages);
    if (inner > 0) mprotect(pages_ + kPage, inner, PROT_READ | PROT_WRITE);
    const std::size_t shift = arrays_at_end() ? inner - bytes : 0;
    data_ = reinterpret_cast<T*>(pages_ + kPage + shift);
  }
  ~Guarded() { munmap(pages_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  Guarded& random(double low = -1, double high = 1) {
    for (Index i = 0; i < size_; ++i) {
      data_[i] = T(low + (high - low) * (random_number() + 1) / 2);
    }
    return *this;
  }
  Guarded& fill(T value) {
    for (Index i = 0; i < size_; ++i) data_[i] = value;
    return *this;
  }
  void recorded() const { record(data_, std::size_t(size_) * sizeof(T)); }

  T* data() const { return data_; }
  Index size() const { return size_; }
  T& operator[](Index i) const { return data_[i]; }
  std::vector<double> copy() const { return {data_, data_ + size_}; }

 private:
  Index size_;
  std::size_t mapped_;
  char* pages_;
  T* data_;
};

// |got - want| within `ulps` roundings of `scale`.
template <typename T>
void near(const char* what, Index i, T got, double want, double scale,
          double ulps = 16) {
  const double unit = std::is_same_v<T, float> ? 0x1p-23 : 0x1p-52;
  STROP_CHECK(std::fabs(double(got) - want) <= ulps * unit * scale + 1e-300,
              "%s[%lld] is %.9g, not %.9g", what, static_cast<long long>(i),
              double(got), want);
}

template <typename Id>
Ids ids_of(const Guarded<Id>& ids) {
  return {ids.data(), ids.size(), sizeof(Id) == 8};
}

template <typename Id>
void random_ids(const Guarded<Id>& ids, Index rows) {
  for (Index i = 0; i < ids.size(); ++i) {
    const auto id = Id((random_number() + 1) / 2 * double(rows));
    ids[i] = id < rows ? id : Id(rows - 1);
    // Runs, as padding makes them.
    if (i > 0 && i % 7 < 3) ids[i] = ids[i - 1];
  }
}

}  // namespace strop::native
