// Products by cuBLASLt. Row-major matrices are to the library the transposes of
// what it means by the same numbers, column by column: it computes
// out^T = b^T a^T, and its bias, one per row, is ours, one per column.

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <tuple>

#include "cuda/cublaslt.h"
#include "cuda/device.h"
#include "kernels/matmul.h"

namespace strop::cuda {
namespace {

using namespace lt;

// All that the choice of an algorithm depends on.
using Key =
    std::tuple<int, Index, Index, Index, bool, bool, int, int, int, int, int>;

struct Plan {
  Desc desc = nullptr;
  Layout a = nullptr, b = nullptr, out = nullptr;
  Algo algo{};
  bool known = false;  // the library has a way
};

// Plans are kept for this many shapes; then all are made anew.
constexpr std::size_t kMostPlans = 1024;

struct Library {
  std::mutex mutex;
  Functions call{};
  std::string path;               // "" while there is none
  std::map<int, Handle> handles;  // by device
  std::map<Key, Plan> plans;
};

// Never destroyed: CUDA may have gone before static objects do.
Library& library() {
  static Library& only = *new Library;
  return only;
}

const char* name_of(Status status) {
  switch (status) {
    case 1:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case 8:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16:
      return "CUBLAS_STATUS_LICENSE_ERROR";
    default:
      return "an unknown status";
  }
}

void require(const char* op, const char* function, Status status) {
  if (status == kSuccess) return;
  throw std::runtime_error(std::string(op) + ": cublasLt" + function +
                           " says " + name_of(status) + " (" +
                           std::to_string(status) + ")");
}

void forget(const Functions& call, const Plan& plan) {
  if (plan.desc != nullptr) call.MatmulDescDestroy(plan.desc);
  for (const Layout layout : {plan.a, plan.b, plan.out}) {
    if (layout != nullptr) call.MatrixLayoutDestroy(layout);
  }
}

void forget_plans(Library& lib) {
  for (const auto& [key, plan] : lib.plans) forget(lib.call, plan);
  lib.plans.clear();
}

// The library may allocate when its handle is made, which a capture forbids to
// a thread unless it says that it knows.
class WhileCapturing {
 public:
  WhileCapturing() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~WhileCapturing() { cudaThreadExchangeStreamCaptureMode(&mode_); }

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

Handle handle_on(const char* op, Library& lib, int device) {
  Handle& handle = lib.handles[device];
  if (handle == nullptr) {
    const WhileCapturing relaxed;
    require(op, "Create", lib.call.Create(&handle));
  }
  return handle;
}

// The greatest power of two up to 256 that an address is a multiple of.
int alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer) | 256;
  return int(address & (~address + 1));
}

// Its descriptors are kept in `plan` one by one, for `forget` if one fails.
void describe(const char* op, const Functions& call, const Product<float>& p,
              Epilogue epilogue, Plan& plan) {
  const ComputeType compute =
      p.precision == Precision::kTf32 ? kCompute32FFastTf32 : kCompute32F;
  require(op, "MatmulDescCreate",
          call.MatmulDescCreate(&plan.desc, compute, kFloat));
  const auto set = [&](DescAttribute attribute, int value) {
    require(op, "MatmulDescSetAttribute",
            call.MatmulDescSetAttribute(plan.desc, attribute, &value,
                                        sizeof value));
  };
  // b comes first. Its rows of N are the library's columns of b^T as it is.
  set(kTransA, p.b.k_runs ? kTransposed : kAsItIs);
  set(kTransB, p.a.k_runs ? kAsItIs : kTransposed);
  set(kEpilogue, epilogue);
  const auto layout = [&](Layout& to, const Operand<float>& x) {
    const Index rows = x.k_runs ? p.k : x.extent;
    const Index columns = x.k_runs ? x.extent : p.k;
    require(op, "MatrixLayoutCreate",
            call.MatrixLayoutCreate(&to, kFloat, std::uint64_t(rows),
                                    std::uint64_t(columns), x.stride));
  };
  layout(plan.b, p.b);
  layout(plan.a, p.a);
  require(op, "MatrixLayoutCreate",
          call.MatrixLayoutCreate(&plan.out, kFloat, std::uint64_t(p.b.extent),
                                  std::uint64_t(p.a.extent), p.b.extent));
}

// The first of the ways that the library's heuristic names.
void choose(const char* op, const Functions& call, Handle handle,
            const Product<float>& p, Plan& plan) {
  Preference preference = nullptr;
  require(op, "MatmulPreferenceCreate",
          call.MatmulPreferenceCreate(&preference));
  const auto set = [&](PreferenceAttribute attribute, auto value) {
    return call.MatmulPreferenceSetAttribute(preference, attribute, &value,
                                             sizeof value);
  };
  const auto bytes = std::uint64_t(kLibraryWorkspace) * sizeof(double);
  const std::pair<PreferenceAttribute, const void*> pointers[] = {
      {kMinAlignmentA, p.b.x},
      {kMinAlignmentB, p.a.x},
      {kMinAlignmentC, p.out},
      {kMinAlignmentD, p.out}};
  Status status = set(kMaxWorkspaceBytes, bytes);
  for (const auto& [attribute, pointer] : pointers) {
    if (status == kSuccess) {
      status = set(attribute, std::uint32_t(alignment_of(pointer)));
    }
  }
  HeuristicResult result{};
  int found = 0;
  const char* asked = "MatmulPreferenceSetAttribute";
  if (status == kSuccess) {
    asked = "MatmulAlgoGetHeuristic";
    status =
        call.MatmulAlgoGetHeuristic(handle, plan.desc, plan.b, plan.a, plan.out,
                                    plan.out, preference, 1, &result, &found);
  }
  call.MatmulPreferenceDestroy(preference);
  if (status != kNotSupported) require(op, asked, status);
  plan.known = status == kSuccess && found > 0 && result.state == kSuccess;
  plan.algo = result.algo;
}

Plan& plan_of(const char* op, Library& lib, int device, Handle handle,
              const Product<float>& p, Epilogue epilogue) {
  const Key key{device,
                p.a.extent,
                p.b.extent,
                p.k,
                p.a.k_runs,
                p.b.k_runs,
                int(p.precision),
                int(epilogue),
                alignment_of(p.a.x),
                alignment_of(p.b.x),
                alignment_of(p.out)};
  const auto known = lib.plans.find(key);
  if (known != lib.plans.end()) return known->second;
  if (lib.plans.size() == kMostPlans) forget_plans(lib);
  Plan plan;
  try {
    describe(op, lib.call, p, epilogue, plan);
    choose(op, lib.call, handle, p, plan);
  } catch (...) {
    forget(lib.call, plan);
    throw;
  }
  return lib.plans[key] = plan;
}

// relu by the library only where tf32 was asked for: what it does to a NaN is
// not written down, and float32 promises that a NaN comes out. The pass of its
// own reads and writes 8 MN bytes: 1 % of a product of 4096 x 4096 x 4096.
bool library_activates(const Product<float>& p) {
  return p.activation == Activation::kRelu && p.precision == Precision::kTf32;
}

constexpr Index kLeastSide = 33;
constexpr Index kLeastProducts = Index{1} << 24;  // 0.6 us of an H100

}  // namespace

bool library_takes(const Product<float>& p) {
  return !library().path.empty() && p.a.extent >= kLeastSide &&
         p.b.extent >= kLeastSide &&
         p.a.extent * p.b.extent * p.k >= kLeastProducts &&
         wide(p.a.x, p.b.x, p.bias, p.out);
}

bool library_multiply(const char* op, const Product<float>& p,
                      double* workspace, Stream stream) {
  Library& lib = library();
  const std::lock_guard<std::mutex> lock(lib.mutex);
  const int device = current_device(op);
  const Handle handle = handle_on(op, lib, device);
  const bool activates = library_activates(p);
  const Epilogue epilogue = p.bias != nullptr ? (activates ? kReluBias : kBias)
                                              : (activates ? kRelu : kDefault);
  const Plan& plan = plan_of(op, lib, device, handle, p, epilogue);
  if (!plan.known) return false;
  if (p.bias != nullptr) {
    require(op, "MatmulDescSetAttribute",
            lib.call.MatmulDescSetAttribute(plan.desc, kBiasPointer, &p.bias,
                                            sizeof p.bias));
  }
  const float one = 1, zero = 0;
  require(op, "Matmul",
          lib.call.Matmul(handle, plan.desc, &one, p.b.x, plan.b, p.a.x, plan.a,
                          &zero, p.out, plan.out, p.out, plan.out, &plan.algo,
                          workspace,
                          std::size_t(kLibraryWorkspace) * sizeof(double),
                          handle_of(stream)));
  if (p.activation != Activation::kLinear && !activates) {
    const Index size = p.a.extent * p.b.extent;
    add_parts(op, Sum<float>{p.out, p.out, size, 1, size}, {}, nullptr,
              p.b.extent, p.activation, stream);
  }
  return true;
}

// ---- where it is -----------------------------------------------------------

void bind_cublaslt(const char* path) {
  Library& lib = library();
  const std::lock_guard<std::mutex> lock(lib.mutex);
  Functions call{};
  if (*path != '\0') {
    void* file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (file == nullptr) {
      throw std::runtime_error(std::string("bind_cublaslt: ") + dlerror());
    }
#define STROP_FIND_FUNCTION(name, arguments)                                \
  call.name =                                                               \
      reinterpret_cast<Status(*) arguments>(dlsym(file, "cublasLt" #name)); \
  if (call.name == nullptr) {                                               \
    throw std::runtime_error(std::string("bind_cublaslt: ") + path +        \
                             " has no function cublasLt" #name);            \
  }
    STROP_CUBLASLT_FUNCTIONS(STROP_FIND_FUNCTION)
#undef STROP_FIND_FUNCTION
  }
  // The file stays loaded: other libraries of the process may use it.
  forget_plans(lib);
  for (const auto& [device, handle] : lib.handles) lib.call.Destroy(handle);
  lib.handles.clear();
  lib.call = call;
  lib.path = path;
}

std::string cublaslt_path() { return library().path; }

}  // namespace strop::cuda
