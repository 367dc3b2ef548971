#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "fibre.h"
#include "simt.h"

// Blocks, warps and threads of a launch, for scheduler.cpp and races.cpp.

namespace simt {

struct Block;
struct Warp;

// What a block has done before it fenced: all of its earlier epochs, and one
// thread's own of the epoch itself.
struct Release {
  std::uint64_t epoch;
  unsigned thread;
  bool operator<(const Release& r) const {
    return epoch != r.epoch ? epoch < r.epoch : thread < r.thread;
  }
};
using Releases = std::map<std::uint64_t, std::set<Release>>;  // by block

struct Thread {
  Size index;
  unsigned number;  // in its block
  Block* block;
  Warp* warp;
  Fibre fibre;
  bool done = false;
  std::uint64_t fence_epoch = 0;  // of the block when it last called fence()
  bool fenced = false;            // and it has written nothing since
  Releases met;                   // by its atomics since its last fence
};

// One set of lanes that meet again and again.
struct Meeting {
  unsigned arrived = 0;
  std::uint64_t generation = 0;
  Lanes lanes[2];  // the last two meetings: some lanes still read
  std::vector<Thread*> waiting;
};

struct Warp {
  unsigned number;
  std::uint64_t epoch = 0;  // of warp_barrier
  std::map<unsigned, Meeting> meetings;
};

struct Room {
  const void* key;
  std::unique_ptr<unsigned char[]> bytes;
  void* begin;
  std::size_t size;
};

struct Block {
  Size index;
  std::uint64_t number;
  unsigned live = 0;
  unsigned waiting = 0;
  std::uint64_t epoch = 0;  // barriers so far
  std::vector<Warp> warps;
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<Room> rooms;
};

extern Thread* self;
extern std::uint64_t grid_epoch;  // grid barriers so far

// races.cpp, of which nothing is known where no access is reported.
void forget_accesses(const void* begin, std::size_t size);
void forget_all_accesses();

}  // namespace simt
