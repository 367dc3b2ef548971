#pragma once

#include <string>

#include "kernels/base.h"

// What the bindings ask of the CUDA runtime, without its headers: they are
// compiled by the host's compiler alone.

namespace strop::cuda {

// Whether kernels can run here; `reason` is empty if so.
struct Driver {
  int runtime;  // of this build, 13000 for 13.0
  int driver;   // the newest runtime that it serves, or 0
  int devices;
  int current;  // device of this thread, -1 where there is none
  std::string reason;
};

Driver driver();

// Of the pointer's memory; -1 where it is not a device's.
int device_of(const char* op, const void* pointer);
int current_device(const char* op);
void set_device(const char* op, int device);

// Work put on `stream` from now on waits for all that `producer` has so far.
void wait_for(const char* op, Stream stream, std::uintptr_t producer);

// The place of the first id outside [0, rows), or -1. Waits for the stream;
// `scratch` is one word on the device.
Index first_bad_id(const char* op, const Ids& ids, Index rows,
                   std::uint64_t* scratch, Stream stream);
Index id_at(const char* op, const Ids& ids, Index place, Stream stream);

// Copies arrays of `words` times 4 bytes to `out`, one behind the other.
inline constexpr int kCollected = 64;
struct Collected {
  const std::uint32_t* parts[kCollected];
  int count;
  Index words;
  std::uint32_t* out;
};
void collect(const char* op, const Collected& a, Stream stream);

// The file of cuBLASLt, for large products from now on; "" for none.
// RuntimeError if it does not load or lacks a function.
void bind_cublaslt(const char* path);
std::string cublaslt_path();

// `*word`, which is set to 0. Waits for the stream.
std::uint64_t take_word(const char* op, std::uint64_t* word, Stream stream);

}  // namespace strop::cuda
