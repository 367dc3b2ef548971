#pragma once

#include "kernels.h"

// Threads for work of microseconds. An OpenMP region ends when every thread of
// its team has been there: where the scheduler has put two on one core, or a
// worker sleeps, a region of 20 us lasts 100. Here a worker takes parts if it
// comes in time, and the caller does whatever nobody has taken, so that a late
// worker costs nothing.

namespace strop::cpu {

// part: which one. slot: who does it, in [0, num_threads()): two parts with the
// same slot never run at once.
using PartBody = void (*)(const void* context, Index part, int slot);

// Calls body for each part in [0, parts) exactly once, on whatever threads are
// at hand. `nanoseconds` is about what all parts take on one thread.
void run_parts(Index parts, Index nanoseconds, PartBody body,
               const void* context);

// How many threads are worth having for that much work, from 1 to
// num_threads(): what a caller cuts its parts by. The bits of a result may not
// depend on it.
int helpful_threads(Index nanoseconds);

// run_parts for a lambda; always inlined, so that no instruction set leaves a
// weak symbol.
template <typename Body>
static inline __attribute__((always_inline)) void for_parts(Index parts,
                                                            Index nanoseconds,
                                                            const Body& body) {
  run_parts(
      parts, nanoseconds,
      [](const void* context, Index part, int slot) {
        (*static_cast<const Body*>(context))(part, slot);
      },
      &body);
}

}  // namespace strop::cpu
