// Rows of a table by id. Bound by memory: 4 D bytes read and written per id. A
// thread moves packs of 16 bytes, four of them under way at a time; rows that
// are no whole number of packs are moved by element.

#include "cuda/common.cuh"
#include "kernels/embedding.h"

namespace strop::cuda {
namespace {

constexpr Index kUnits = 4;  // per thread

// Unit u of the output is unit u % width of row u / width. An id outside the
// table reads nothing and gives zeros.
template <typename Unit>
__global__ void __launch_bounds__(kBlock)
    lookup(const Unit* table, Ids ids, Unit* out, Index rows, Index width,
           std::uint64_t* fault) {
  const Index total = ids.size * width;
  const Index begin = Index{blockIdx.x} * kBlock * kUnits + threadIdx.x;
  Unit units[kUnits];
#pragma unroll
  for (Index k = 0; k < kUnits; ++k) {
    const Index u = begin + k * kBlock;
    units[k] = Unit{};
    if (u >= total) continue;
    const Place place = place_of(u, width);
    const Index id = id_of(ids, place.row);
    if (id >= 0 && id < rows) {
      units[k] = table[id * width + place.column];
    } else {
      report(fault, place.row);
    }
  }
#pragma unroll
  for (Index k = 0; k < kUnits; ++k) {
    const Index u = begin + k * kBlock;
    if (u < total) __stcs(out + u, units[k]);
  }
}

template <typename Unit, typename T>
void run_as(const EmbeddingLookup<T>& a, Stream stream) {
  const Index width = a.width * Index{sizeof(T)} / Index{sizeof(Unit)};
  launch("embedding_lookup", lookup<Unit>,
         blocks_for(a.ids.size * width, kBlock * kUnits), kBlock, stream,
         reinterpret_cast<const Unit*>(a.table), a.ids,
         reinterpret_cast<Unit*>(a.out), a.rows, width, stream.fault);
}

template <typename T>
void run(const EmbeddingLookup<T>& a, Stream stream) {
  const bool whole = a.width % Pack<T>::kSize == 0;
  return whole && wide(a.table, a.out)
             ? run_as<typename Wide<T>::Type>(a, stream)
             : run_as<T>(a, stream);
}

}  // namespace

void embedding_lookup(const EmbeddingLookup<float>& a, Stream s) { run(a, s); }
void embedding_lookup(const EmbeddingLookup<double>& a, Stream s) { run(a, s); }

}  // namespace strop::cuda
