#pragma once

#include <cxxabi.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

namespace strop::bind {

// Other Python threads run while this stands. A daemon thread that comes back
// when the interpreter has ended sleeps for ever, as from Python 3.14 on:
// before, CPython ends it by pthread_exit, which unwinds the stack, and the
// destructor of pybind11's gil_scoped_release then ends the whole process with
// SIGABRT.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
#if defined(__GLIBCXX__)
    try {
      PyEval_RestoreThread(state_);
    } catch (abi::__forced_unwind&) {
      for (;;) pause();
    }
#else
    PyEval_RestoreThread(state_);
#endif
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace strop::bind
