#pragma once

#include <algorithm>

#include "cuda_runtime.h"

// The sort of CUB for tests without CUDA: what it promises, not how it does it.
// A kernel of one thread, so that a stream has it in its order.

namespace cub {

struct DeviceRadixSort {
  template <typename Key>
  static cudaError_t SortKeys(void* workspace, std::size_t& bytes,
                              const Key* in, Key* out, int count, int first,
                              int last, cudaStream_t stream) {
    if (workspace == nullptr) {
      bytes = 1;
      return cudaSuccess;
    }
    cudaLaunchConfig_t config{};
    config.gridDim = config.blockDim = dim3(1, 1, 1);
    config.stream = stream;
    return cudaLaunchKernelEx(&config, sort<Key>, in, out, count, first, last);
  }

 private:
  template <typename Key>
  static void sort(const Key* in, Key* out, int count, int first, int last) {
    const auto bits = unsigned(last - first);
    const Key mask = bits == 8 * sizeof(Key) ? ~Key{0} : (Key{1} << bits) - 1;
    std::copy_n(in, count, out);
    std::stable_sort(out, out + count, [=](Key a, Key b) {
      return (a >> first & mask) < (b >> first & mask);
    });
  }
};

}  // namespace cub
