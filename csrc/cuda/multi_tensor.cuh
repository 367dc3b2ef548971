#pragma once

#include "cuda/common.cuh"

// One optimizer step over a list of tensors: the list travels with the launch,
// cut into chunks that one block takes. A chunk is a constant number of
// elements, so that 100 k parameters already make 50 blocks where chunks of
// 65,536 (torch, apex) leave most of a device idle.

namespace strop::cuda {

inline constexpr Index kStepPacks = 2;

template <typename T>
inline constexpr Index kChunk = kBlock * kStepPacks * Pack<T>::kSize;

// Blocks that shall fit on a multiprocessor at once: 6 leave 40 registers, and
// compute capability 7.5 has room for 1,024 threads. float64 takes what it
// wants, for which it would spill.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 750
template <typename T>
inline constexpr unsigned kStepBlocks = sizeof(T) == sizeof(float) ? 4 : 1;
#else
template <typename T>
inline constexpr unsigned kStepBlocks = sizeof(T) == sizeof(float) ? 6 : 1;
#endif

// Tensors of one launch: 8 KB of the 32 that its arguments may take (from CUDA
// 12.1 and driver 530 on; before, 4).
inline constexpr int kMostTensors = 128;

// Tensor is one with `size` and `decay`, such as AdamTensor<T>.
template <typename Tensor, typename Rule>
struct TensorList {
  Tensor tensors[kMostTensors];
  unsigned first[kMostTensors];  // block of each tensor's first chunk
  bool is_wide[kMostTensors];
  int count;
  Rule rule;  // the numbers that all share
};

// The tensor that a block works on.
template <typename List>
__device__ __forceinline__ int tensor_of(const List& list) {
  int low = 0;
  int high = list.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (blockIdx.x < list.first[middle]) {
      high = middle;
    } else {
      low = middle;
    }
  }
  return low;
}

// body(i) for the thread's packs of a chunk of the n elements.
template <typename T, typename F>
__device__ __forceinline__ void for_chunk(Index chunk, Index n, const F& body) {
#pragma unroll
  for (Index k = 0; k < kStepPacks; ++k) {
    const Index i =
        chunk * kChunk<T> + (k * kBlock + threadIdx.x) * Pack<T>::kSize;
    if (i < n) body(i);
  }
}

// launch_list(list, blocks) for as many lists as the tensors need, of which
// each takes blocks_of(tensor). A grid has less than 2^31 blocks, so a list
// ends before it.
template <typename List, typename Step, typename W, typename B, typename F>
void for_lists_of(const Step& a, const decltype(List::rule)& rule,
                  const W& is_wide, const B& blocks_of, const F& launch_list) {
  List list{};
  list.rule = rule;
  Index blocks = 0;
  const auto flush = [&] {
    if (list.count > 0) launch_list(list, blocks);
    list.count = 0;
    blocks = 0;
  };
  for (Index i = 0; i < a.count; ++i) {
    const Index own = blocks_of(a.tensors[i]);
    if (own == 0) continue;
    if (list.count == kMostTensors || blocks + own > 0x7fffffff) flush();
    list.tensors[list.count] = a.tensors[i];
    list.is_wide[list.count] = is_wide(a.tensors[i]);
    list.first[list.count] = unsigned(blocks);
    blocks += own;
    ++list.count;
  }
  flush();
}

// The same in chunks of kChunk.
template <typename List, typename T, typename Step, typename W, typename F>
void for_lists(const Step& a, const decltype(List::rule)& rule,
               const W& is_wide, const F& launch_list) {
  for_lists_of<List>(
      a, rule, is_wide,
      [](const auto& t) { return blocks_for(t.size, kChunk<T>); }, launch_list);
}

}  // namespace strop::cuda
