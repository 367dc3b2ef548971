// Keys of a row plan in order, by CUB's radix sort: 8 bits a pass, two reads
// and one write of each key. It waits for nothing and works in memory of its
// caller.

#include <cub/device/device_radix_sort.cuh>

#include "cuda/row_keys.cuh"
#include "kernels/row_plan.h"

namespace strop::cuda {
namespace {

template <typename Key>
void sort(const void* in, void* out, Index size, int first, int last,
          void* workspace, std::size_t& bytes, Stream stream) {
  check("row_plan",
        cub::DeviceRadixSort::SortKeys(
            workspace, bytes, static_cast<const Key*>(in),
            static_cast<Key*>(out), int(size), first, last, handle_of(stream)));
}

}  // namespace

void sort_keys(const void* in, void* out, Index size, bool wide, int first,
               int last, void* workspace, std::size_t& bytes, Stream stream) {
  const auto run = wide ? sort<std::uint64_t> : sort<std::uint32_t>;
  run(in, out, size, first, last, workspace, bytes, stream);
}

}  // namespace strop::cuda
