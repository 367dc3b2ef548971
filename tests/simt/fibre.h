#pragma once

#include <cstddef>

// A stack of its own and the place where it stopped.

namespace simt {

class Fibre {
 public:
  Fibre() = default;
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  void start(void (*entry)());  // on a stack from the pool
  void resume();                // from outside; returns when it stops
  void stop(bool for_good);     // from inside
  bool has(const void* address) const;

 private:
  void* place_ = nullptr;
  char* stack_ = nullptr;
};

}  // namespace simt
