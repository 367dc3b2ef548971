#pragma once

#include "cuda/common.cuh"
#include "math/elementary.h"

// A row of logits and the threads that share it. Where the row is kept while it
// is worked on depends on its length, which so settles the order of its sums:
//
//   up to 1,024 floats   registers of 1 to 32 lanes of a warp, 8 packs each
//   up to 57,344         shared memory of a block; devices whose blocks have
//                        less than that read the row again, with the same bits
//   beyond               nowhere: sums are formed while the maximum is sought,
//                        and the row is read a second time
//
// Rows of more than 64 doubles are read again: they serve to check, and every
// form is 30 KB of the wheel. A pack is 16 bytes, and pack i
// belongs to thread i mod count.

namespace strop::cuda {

template <typename T>
inline constexpr Index kRegisterClasses =
    kWarp * (sizeof(T) == 4 ? 8 : 1) * Pack<T>::kSize;
inline constexpr Index kSmallClasses = 8192;    // 256 threads, 32 KB
inline constexpr Index kSharedClasses = 57344;  // 224 KB
inline constexpr unsigned kLongThreads = 512;

// What a launch says of its rows.
struct Rows {
  Index rows, classes;
  unsigned lane_bits;  // log2 of the lanes that share a row in registers
  bool is_wide;        // all packs are whole and may be read at once
};

// The greater number: what is not one is left out, as the sum shows it.
struct GreaterNumber {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// The pack at column c of a row of n; what lies past the end is `pad`.
template <typename T>
__device__ __forceinline__ Pack<T> pack_at(const T* x, Index c, Index n,
                                           bool is_wide, T pad) {
  Pack<T> p;
  if (is_wide) {
    if (c < n) return load_once(x, c, n, true);
#pragma unroll
    for (int k = 0; k < Pack<T>::kSize; ++k) p.v[k] = pad;
    return p;
  }
#pragma unroll
  for (int k = 0; k < Pack<T>::kSize; ++k) p.v[k] = c + k < n ? x[c + k] : pad;
  return p;
}

// A row's interface: `first` reads it, body(c, k, pack) for each pack of this
// thread; `each` does so again, and what the body makes of a pack stays where
// the row `kKeeps` it; `at` is one of them; `over` joins values of the row's
// threads, for all of them. A row past the last has no columns.
template <typename Number, int kPacks>
struct RegisterRow {
  using T = Number;
  static constexpr bool kKeeps = true, kOnline = false, kShares = false;
  static constexpr unsigned kThreads = kBlock;  // of a block
  static constexpr unsigned kBlocks = kPacks == 8 ? 2 : sizeof(T) == 4 ? 4 : 3;
  static constexpr Index kSize = Pack<T>::kSize;

  Pack<T> packs[kPacks];
  const T* x;
  Index index, n;
  unsigned lanes, lane;
  bool is_wide;
  T pad;

  __device__ __forceinline__ RegisterRow(const T* all, const Rows& shape,
                                         double*, T pad)
      : lanes(kPacks == 1 ? 1u << shape.lane_bits : kWarp),
        lane(threadIdx.x % lanes),
        is_wide(shape.is_wide),
        pad(pad) {
    const unsigned bits = kPacks == 1 ? shape.lane_bits : 5;
    index = Index{blockIdx.x} * (kBlock >> bits) + (threadIdx.x >> bits);
    n = index < shape.rows ? shape.classes : 0;
    x = all + (n == 0 ? 0 : index * shape.classes);
  }
  __device__ __forceinline__ Index column(int k) const {
    return (k * Index{lanes} + lane) * kSize;
  }
  template <bool kWide>
  __device__ __forceinline__ void load_all() {
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      packs[k] = pack_at(x, column(k), n, kWide, pad);
    }
  }
  template <typename F>
  __device__ __forceinline__ void first(const F& body) {
    // All loads of one kind, so that they are under way together.
    if (is_wide) {
      load_all<true>();
    } else {
      load_all<false>();
    }
    each(body);
  }
  template <typename F>
  __device__ __forceinline__ void each(const F& body) {
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      if (column(k) < n) body(column(k), k, packs[k]);
    }
  }
  __device__ __forceinline__ const Pack<T>& at(Index, int k) const {
    return packs[k];
  }
  template <typename V, typename F>
  __device__ __forceinline__ V over(V v, const F& join) const {
    for (unsigned step = lanes / 2; step > 0; step /= 2) {
      v = join(v, __shfl_xor_sync(kAll, v, step));
    }
    return v;
  }
  // Memory is read by the row's threads before it is written by others.
  __device__ __forceinline__ void sync() const { __syncwarp(); }
  __device__ __forceinline__ bool leads() const { return lane == 0; }
};

// What rows of a whole block share.
template <typename Number, unsigned kCount>
struct BlockRow {
  using T = Number;
  static constexpr unsigned kThreads = kCount;
  static constexpr unsigned kBlocks =
      kCount != kBlock || sizeof(T) == 8 ? 2 : 4;
  static constexpr Index kSize = Pack<T>::kSize;

  const T* x;
  Index index, n;
  bool is_wide;
  T pad;
  double* room;

  __device__ __forceinline__ BlockRow(const T* all, const Rows& shape,
                                      double* room, T pad)
      : x(all + Index{blockIdx.x} * shape.classes),
        index(blockIdx.x),
        n(shape.classes),
        is_wide(shape.is_wide),
        pad(pad),
        room(room) {}
  template <int kUnroll, typename F>
  __device__ __forceinline__ void columns(const F& body) const {
#pragma unroll kUnroll
    for (Index c = threadIdx.x * kSize; c < n; c += kCount * kSize) body(c);
  }
  __device__ __forceinline__ Pack<T> at(Index c, int) const {
    return pack_at(x, c, n, is_wide, pad);
  }
  template <typename V, typename F>
  __device__ __forceinline__ V over(V v, const F& join) const {
    return V(over_block<kCount>(double(v), room, join));
  }
  __device__ __forceinline__ void sync() const {}  // `over` has done it
  __device__ __forceinline__ bool leads() const { return threadIdx.x == 0; }
};

// A thread reads and writes its own packs only, so nothing waits in between.
template <typename T, unsigned kCount>
struct SharedRow : BlockRow<T, kCount> {
  static constexpr bool kKeeps = true, kOnline = false, kShares = true;
  using Base = BlockRow<T, kCount>;
  Pack<T>* packs;

  __device__ __forceinline__ SharedRow(const T* all, const Rows& shape,
                                       double* room, T pad)
      : Base(all, shape, room, pad) {
    STROP_DYNAMIC_SHARED(Pack<T>, begin);
    packs = begin;
  }
  template <typename F>
  __device__ __forceinline__ void first(const F& body) {
    this->template columns<4>([&](Index c) {
      const Pack<T> p = Base::at(c, 0);
      packs[c / Base::kSize] = p;
      body(c, 0, p);
    });
  }
  template <typename F>
  __device__ __forceinline__ void each(const F& body) {
    this->template columns<kCount == kBlock ? 2 : 1>([&](Index c) {
      Pack<T> p = packs[c / Base::kSize];
      body(c, 0, p);
      packs[c / Base::kSize] = p;
    });
  }
};

template <typename T, unsigned kCount, bool kSumsAtOnce>
struct ReadRow : BlockRow<T, kCount> {
  static constexpr bool kKeeps = false, kOnline = kSumsAtOnce, kShares = false;
  using Base = BlockRow<T, kCount>;
  using Base::Base;

  template <typename F>
  __device__ __forceinline__ void each(const F& body) {
    this->template columns<4>([&](Index c) {
      Pack<T> p = Base::at(c, 0);
      body(c, 0, p);
    });
  }
  template <typename F>
  __device__ __forceinline__ void first(const F& body) {
    each(body);
  }
};

template <typename Row>
__device__ __forceinline__ void put(const Row& row, typename Row::T* all,
                                    Index c, const Pack<typename Row::T>& p) {
  store(all + row.index * row.n, c, row.n, row.is_wide, p);
}

}  // namespace strop::cuda
