#pragma once

// Flushes denormal numbers to zero while it lives, on the thread it lives on.
//
// Without a gradient a first moment decays into the denormal range after about
// 830 steps and never reaches 0: rounding holds it at 4 units (0.9 * 4 rounds
// to 4), and such rows cost 0.40 instead of 0.28 ns per parameter. Only inside
// a kernel, and in every twin of that kernel, so that the bits agree.

namespace strop::cpu {

#if defined(__x86_64__)
class FlushDenormals {
 public:
  inline __attribute__((always_inline)) FlushDenormals()
      : before_(__builtin_ia32_stmxcsr()) {
    __builtin_ia32_ldmxcsr(before_ | 0x8040);  // FTZ and DAZ
  }
  inline __attribute__((always_inline)) ~FlushDenormals() {
    __builtin_ia32_ldmxcsr(before_);
  }

 private:
  unsigned before_;
};
#elif defined(__aarch64__)
class FlushDenormals {
 public:
  inline __attribute__((always_inline)) FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | (1ul << 24)) : "memory");  // FZ
  }
  inline __attribute__((always_inline)) ~FlushDenormals() {
    asm volatile("msr fpcr, %0" ::"r"(before_) : "memory");
  }

 private:
  unsigned long before_;
};
#else
struct FlushDenormals {};
#endif

}  // namespace strop::cpu
