// Rows of a table brought up to date under Adam, and stepped; the formula is in
// math/deferred_adam.h. Bound by memory, 24 D bytes per row of float32, and for
// small batches by latency: id, last step, coefficients and row are loads that
// wait for each other. A row belongs to a power of two of the lanes of a warp:
// whether it is replayed depends on all of its elements.

#include "cuda/deferred_row.cuh"
#include "kernels/deferred_adam.h"

namespace strop::cuda {
namespace {

// Blocks that a multiprocessor must have room for. Left to itself the compiler
// aims at more and spills on some architectures.
template <typename T>
inline constexpr int kRowBlocks = sizeof(T) == 4 ? 2 : 1;

// A bad row gives zeros; one that is none leaves its place as it is.
template <int P, typename T>
__global__ void __launch_bounds__(kBlock, kRowBlocks<T>)
    catch_up(const __grid_constant__ DeferredAdamCatchUp<T> a, bool is_wide,
             unsigned shift, std::uint64_t* fault) {
  constexpr Index kSize = Pack<T>::kSize;
  const Lanes lanes(blockIdx.x, shift);
  const Now now = now_of(a);
  Row<T> row(a, lanes, fault);
  Missed missed = missed_by(row, now, lanes, fault);
  missed.replayed = needs_replay(a, row, missed, lanes);
  const bool moves = row.there && missed.steps > 0;
  if (a.gathered != nullptr && lanes.place < a.rows.size && !row.there) {
    const bool none = a.rows.data != nullptr && row.id == kNoRow;
    for (Index d = lanes.lane; d < a.width && !none; d += Index{1} << shift) {
      a.gathered[lanes.place * a.width + d] = T(0);
    }
  }
  if (row.there && (moves || a.gathered != nullptr)) {
    const Crossing<P, T> cross(a, now, missed);
    const Index at = row.id * a.stride;
    for (Index d = lanes.lane * kSize; d < a.width; d += kSize << shift) {
      Elements<T> e = elements_at(a, at, d, is_wide);
      cross(e);
      if (a.gathered != nullptr) {
        store(a.gathered + lanes.place * a.width, d, a.width, is_wide, e.param);
      }
      if (!a.peek && moves) store_elements(a, at, d, is_wide, e);
    }
  }
  __syncwarp();  // all lanes have read what the first one writes
  if (moves && !a.peek && lanes.lane == 0) a.last[row.id] = now.last;
}

template <typename T>
__device__ __forceinline__ void step_element(T& param, T& moment1, T& moment2,
                                             T& top, bool amsgrad, T grad,
                                             const AdamCoefficients<T>& c) {
  adam_moments(moment1, moment2, grad, c);
  // False for NaN on the right, so that a NaN moment is taken over.
  if (amsgrad) top = top >= moment2 ? top : moment2;
  param = adam_param(param, moment1, amsgrad ? top : moment2, c);
}

// Block 0 puts the clock forward, the others have the rows.
template <int P, typename T>
__global__ void __launch_bounds__(kBlock, kRowBlocks<T>)
    step(const __grid_constant__ DeferredAdamStep<T> s,
         const __grid_constant__ Advance<T> advance, bool is_wide,
         unsigned shift, std::uint64_t* fault) {
  constexpr Index kSize = Pack<T>::kSize;
  STROP_SHARED(Told<T>, told, 1);
  const DeferredAdamCatchUp<T>& a = s.table;
  const Lanes lanes(blockIdx.x - 1, shift);
  Row<T> row(a, lanes, fault);
  if (threadIdx.x == 0) told[0] = told_by(advance);
  __syncthreads();
  const Now now = told[0].now;
  if (blockIdx.x == 0) return go_on<P>(advance.clock, now, told[0].taken);
  const AdamCoefficients<T> c = told[0].coefficients;
  Missed missed = missed_by(row, now, lanes, fault);
  missed.replayed = needs_replay(a, row, missed, lanes);
  if (row.there) {
    const bool amsgrad = a.max_moment2 != nullptr;
    const Crossing<P, T> cross(a, now, missed);
    const Index at = row.id * a.stride;
    for (Index d = lanes.lane * kSize; d < a.width; d += kSize << shift) {
      Elements<T> e = elements_at(a, at, d, is_wide);
      const Pack<T> grad =
          load(s.grad + lanes.place * a.width, d, a.width, is_wide);
      cross(e);
#pragma unroll
      for (int k = 0; k < kSize; ++k) {
        step_element(e.param.v[k], e.moment1.v[k], e.moment2.v[k], e.top.v[k],
                     amsgrad, grad.v[k], c);
      }
      store_elements(a, at, d, is_wide, e);
      if (amsgrad) store(a.max_moment2 + at, d, a.width, is_wide, e.top);
    }
  }
  __syncwarp();
  if (row.there && lanes.lane == 0) a.last[row.id] = now.last + 1;
}

// As many lanes as a row has packs, up to a warp.
template <typename T>
unsigned shift_for(const DeferredAdamCatchUp<T>& a) {
  unsigned shift = 0;
  while (shift < 5 && (Pack<T>::kSize << shift) < a.width) ++shift;
  return shift;
}

template <typename T>
bool is_wide(const DeferredAdamCatchUp<T>& a, const T* other) {
  return a.width % Pack<T>::kSize == 0 && a.stride % Pack<T>::kSize == 0 &&
         wide(a.param, a.moment1, a.moment2, a.max_moment2, other);
}

template <typename T>
void run(const DeferredAdamCatchUp<T>& a, Stream stream) {
  const unsigned shift = shift_for(a);
  launch("deferred_adam_catch_up",
         a.history.degree <= 3 ? catch_up<3, T> : catch_up<kMaxDegree, T>,
         blocks_for(a.rows.size, kBlock >> shift), kBlock, stream, a,
         is_wide(a, a.gathered), shift, stream.fault);
}

template <typename T>
void run(const DeferredAdamStep<T>& a, Stream stream) {
  const ClockAdvance<T>& take = a.advance;
  const Advance<T> advance{*take.clock, take.learning_rate, take.rate,
                           take.weight_decay};
  const unsigned shift = shift_for(a.table);
  launch("deferred_adam_step",
         a.table.history.degree <= 3 ? step<3, T> : step<kMaxDegree, T>,
         1 + blocks_for(a.table.rows.size, kBlock >> shift), kBlock, stream, a,
         advance, is_wide(a.table, a.grad), shift, stream.fault);
}

}  // namespace

void deferred_adam_catch_up(const DeferredAdamCatchUp<float>& a, Stream s) {
  run(a, s);
}
void deferred_adam_catch_up(const DeferredAdamCatchUp<double>& a, Stream s) {
  run(a, s);
}
void deferred_adam_step(const DeferredAdamStep<float>& a, Stream s) {
  run(a, s);
}
void deferred_adam_step(const DeferredAdamStep<double>& a, Stream s) {
  run(a, s);
}

}  // namespace strop::cuda
