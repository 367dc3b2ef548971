#pragma once

#include <cstdlib>
#include <memory>
#include <new>

#include "kernels/base.h"

namespace strop::step {

// Memory that a program keeps from step to step: from the start of a cache
// line, with whatever was left there.
template <typename T>
class Buffer {
 public:
  // At least `size` elements; what was in them is lost if it has to grow.
  T* at_least(Index size) {
    if (size > size_) {
      const std::size_t bytes = (size * sizeof(T) + 63) / 64 * 64;
      data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
      size_ = data_ ? size : 0;
      if (!data_) throw std::bad_alloc();
    }
    return data_.get();
  }

  T* data() { return data_.get(); }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<T, Free> data_;
  Index size_ = 0;
};

}  // namespace strop::step
