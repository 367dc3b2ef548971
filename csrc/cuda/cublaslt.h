#pragma once

#include "cuda/matmul.cuh"
#include "kernels/matmul.h"

// cuBLASLt, NVIDIA's library of matrix products: 444 MB, so it is loaded where
// it is found and never needed. What is used of it is declared here; the values
// are those of cublasLt.h and library_types.h of CUDA 11 to 13.

namespace strop::cuda {

namespace lt {

using Status = int;
using Handle = void*;  // as all of these: to structs of the library's own
using Desc = void*;
using Layout = void*;
using Preference = void*;

inline constexpr Status kSuccess = 0;
inline constexpr Status kNotSupported = 15;

enum ComputeType : int { kCompute32F = 68, kCompute32FFastTf32 = 77 };
enum DataType : int { kFloat = 0 };
enum Operation : int { kAsItIs = 0, kTransposed = 1 };
enum Epilogue : int { kDefault = 1, kBias = 4, kReluBias = 6, kRelu = 2 };
enum DescAttribute : int {
  kTransA = 3,
  kTransB = 4,
  kEpilogue = 7,
  kBiasPointer = 8
};
enum PreferenceAttribute : int {
  kMaxWorkspaceBytes = 1,
  kMinAlignmentA = 5,
  kMinAlignmentB = 6,
  kMinAlignmentC = 7,
  kMinAlignmentD = 8
};

struct Algo {
  std::uint64_t data[8];
};

struct HeuristicResult {
  Algo algo;
  std::size_t workspace;
  Status state;
  float waves;
  int reserved[4];
};

#define STROP_CUBLASLT_FUNCTIONS(X)                                          \
  X(Create, (Handle*))                                                       \
  X(Destroy, (Handle))                                                       \
  X(MatmulDescCreate, (Desc*, ComputeType, DataType scale))                  \
  X(MatmulDescDestroy, (Desc))                                               \
  X(MatmulDescSetAttribute, (Desc, DescAttribute, const void*, std::size_t)) \
  X(MatrixLayoutCreate, (Layout*, DataType, std::uint64_t rows,              \
                         std::uint64_t columns, std::int64_t stride))        \
  X(MatrixLayoutDestroy, (Layout))                                           \
  X(MatmulPreferenceCreate, (Preference*))                                   \
  X(MatmulPreferenceDestroy, (Preference))                                   \
  X(MatmulPreferenceSetAttribute,                                            \
    (Preference, PreferenceAttribute, const void*, std::size_t))             \
  X(MatmulAlgoGetHeuristic,                                                  \
    (Handle, Desc, Layout a, Layout b, Layout c, Layout d, Preference,       \
     int wanted, HeuristicResult*, int* found))                              \
  X(Matmul,                                                                  \
    (Handle, Desc, const void* alpha, const void* a, Layout, const void* b,  \
     Layout, const void* beta, const void* c, Layout, void* d, Layout,       \
     const Algo*, void* workspace, std::size_t workspace_bytes, cudaStream_t))

struct Functions {
#define STROP_DECLARE_FUNCTION(name, arguments) Status(*name) arguments;
  STROP_CUBLASLT_FUNCTIONS(STROP_DECLARE_FUNCTION)
#undef STROP_DECLARE_FUNCTION
};

}  // namespace lt

// Doubles of workspace that the library may use: 32 MB, what NVIDIA advises
// for an H100.
inline constexpr Index kLibraryWorkspace = Index{32} << 17;

// Whether a product goes to the library, which settles its workspace.
bool library_takes(const Product<float>& p);

// False if the library knows no way to compute it; nothing has happened then.
bool library_multiply(const char* op, const Product<float>& p,
                      double* workspace, Stream stream);

}  // namespace strop::cuda
