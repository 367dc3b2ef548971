#pragma once

#include "kernels.h"

// All threading policy. Kernels split their work with parallel_for and nothing
// else; parallel.cpp holds the only OpenMP pragma.

namespace strop::cpu {

// A sleeping worker costs 15-100 us to wake, so a kernel called alone goes
// parallel from about 200 us of serial work: see csrc/README.md.
inline constexpr Index kParallelBytes = Index{16} << 20;
inline constexpr Index kParallelFlops = 20'000'000;

using ChunkBody = void (*)(const void* context, Index begin, Index end);

// Calls body(begin, end) for [0, chunk), [chunk, 2 chunk), ... up to n, each
// exactly once, on up to num_threads() threads where `parallel` asks for it.
void run_chunks(Index n, Index chunk, bool parallel, ChunkBody body,
                const void* context);

// The same for a lambda. The bounds of a chunk depend on n and `chunk` only,
// never on the number of threads: what a chunk computes has the same bits on
// any of them. Always inlined, so that no instruction set leaves a weak symbol.
template <typename Body>
static inline __attribute__((always_inline)) void parallel_for(
    Index n, Index chunk, bool parallel, const Body& body) {
  run_chunks(
      n, chunk, parallel,
      [](const void* context, Index begin, Index end) {
        (*static_cast<const Body*>(context))(begin, end);
      },
      &body);
}

int num_threads();
void set_num_threads(int count);
int default_num_threads();
int openmp_version();  // yyyymm of the specification

}  // namespace strop::cpu
