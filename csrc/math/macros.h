#pragma once

// STROP_HD marks the arithmetic that the CPU and CUDA kernels share.
//
// On the host it must be `static` and always inlined: every CPU kernel file is
// compiled once per instruction set, and a plain `inline` function would leave
// one weak copy per set for the linker to choose among. It could choose the
// AVX-512 copy for the baseline kernel, which then dies on an older processor.
#if defined(__CUDACC__)
#define STROP_HD static __host__ __device__ __forceinline__
#else
#define STROP_HD static inline __attribute__((always_inline))
#endif

// On a GPU a loop over an array that is to stay in registers; hosts know
// better.
#if defined(__CUDACC__)
#define STROP_UNROLL _Pragma("unroll")
#else
#define STROP_UNROLL
#endif

namespace strop {

// a * b + c, rounded once where the set has the instruction. Elsewhere fmaf is
// a library call, 12 times slower than a multiply and an add, so the baseline
// rounds twice: polynomials and matmul differ there by an ulp, nothing else.
STROP_HD float multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__) || defined(__CUDA_ARCH__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

STROP_HD double multiply_add(double a, double b, double c) {
#if defined(__FMA__) || defined(__aarch64__) || defined(__CUDA_ARCH__)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

STROP_HD float square_root(float x) { return __builtin_sqrtf(x); }
STROP_HD double square_root(double x) { return __builtin_sqrt(x); }

}  // namespace strop
