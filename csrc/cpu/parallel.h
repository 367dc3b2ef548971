#pragma once

#include "kernels/base.h"

// All threading policy. Kernels share out their work with parallel_for or
// for_parts and with nothing else. What runs the parts is chosen when the
// library is built (STROP_THREADS) and lies behind run_parts: threads_pool.cpp,
// threads_openmp.cpp or threads_std.cpp.

namespace strop::cpu {

inline constexpr Index kMostThreads = 1024;

// Calls body for runs of parts [first, last) that together cover each part of
// [0, parts) exactly once. slot: who does it, in [0, threads): two calls with
// the same slot never run at once.
using PartBody = void (*)(const void* context, Index first, Index last,
                          int slot);

// `nanoseconds` is about what all parts take on one thread: too little work is
// done by the caller alone, and so is what comes while another region runs.
// `threads` is the most that may take part; the setting is the bound otherwise.
void run_parts(Index parts, Index nanoseconds, Index threads, PartBody body,
               const void* context);

// How many threads are worth having for that much work, from 1 to
// num_threads(): what a caller cuts its parts by. The bits of a result may not
// depend on it.
int helpful_threads(Index nanoseconds);

// Calls body(part, slot) for each part, with slots below `threads`, which came
// from helpful_threads(): the setting may have changed since. Always inlined,
// as parallel_for, so that no instruction set leaves a weak symbol.
template <typename Body>
static inline __attribute__((always_inline)) void for_parts(Index parts,
                                                            Index nanoseconds,
                                                            Index threads,
                                                            const Body& body) {
  run_parts(
      parts, nanoseconds, threads,
      [](const void* context, Index first, Index last, int slot) {
        const Body& each = *static_cast<const Body*>(context);
        for (Index part = first; part < last; ++part) each(part, slot);
      },
      &body);
}

template <typename Body>
static inline __attribute__((always_inline)) void for_parts(Index parts,
                                                            Index nanoseconds,
                                                            const Body& body) {
  for_parts(parts, nanoseconds, kMostThreads, body);
}

// Calls body(begin, end) for [0, chunk), [chunk, 2 chunk), ... up to n, each
// exactly once. The bounds of a chunk depend on n and `chunk` only, never on
// the number of threads: what a chunk computes has the same bits on any of
// them. A thread takes several small chunks at a time.
template <typename Body>
static inline __attribute__((always_inline)) void parallel_for(
    Index n, Index chunk, Index nanoseconds, const Body& body) {
  struct Context {
    Index n, chunk;
    const Body* body;
  };
  const Context whole{n, chunk, &body};
  run_parts((n + chunk - 1) / chunk, nanoseconds, kMostThreads,
            [](const void* context, Index first, Index last, int) {
              const Context& c = *static_cast<const Context*>(context);
              for (Index part = first; part < last; ++part) {
                const Index end = (part + 1) * c.chunk;
                (*c.body)(part* c.chunk, end < c.n ? end : c.n);
              }
            },
            &whole);
}

// What the kernels of a training step share from: between them one thread works
// alone, and the worker has gone to sleep as often as not. Shared from 4 us on,
// an epoch of the text model took 12 ms or 26 by chance, and 12 on one thread;
// from 100 us on, 104 ms at batch 256 and 62 at 128.
inline constexpr Index kStepShares = 400'000;

int num_threads();
void set_num_threads(int count);

// What runs the parts: "pool", "openmp" or "std".
const char* threads_name();
int openmp_version();  // yyyymm of the specification; 0: not built with it

}  // namespace strop::cpu
