#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <new>

#include "kernels/embedding.h"

namespace strop::step {

// The unique ids of one batch after another, with a record per table row kept
// in between. Records are read at random, so they stand on huge pages where the
// system has them: on a table of 10 million rows they are 80 MB. Pages that no
// batch has read are never touched.
class UniqueIds {
 public:
  explicit UniqueIds(Index rows)
      : rows_(rows), records_(map(bytes()), Unmap{bytes()}) {}

  Index rows() const { return rows_; }

  // How many there are. `unique` has room for min(ids.size, rows) + 1, `slots`
  // for one per id.
  Index find(const Ids& ids, std::int64_t* unique, std::int32_t* slots) {
    if (++stamp_ == 0) {  // all records are older than the new count
      std::fill_n(records_.get(), rows_, CompactRecord{0});
      stamp_ = 1;
    }
    return cpu::compact_ids({ids, records_.get(), stamp_, unique, slots});
  }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(void* memory) const { munmap(memory, bytes); }
  };

  static CompactRecord* map(std::size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<CompactRecord*>(memory);
  }

  std::size_t bytes() const { return (rows_ + 1) * sizeof(CompactRecord); }

  Index rows_;
  std::unique_ptr<CompactRecord, Unmap> records_;
  std::uint32_t stamp_ = 0;
};

}  // namespace strop::step
