// A library with the functions that strop uses of cuBLASLt, on the host's
// memory and by the definitions of NVIDIA's documentation alone: matrices are
// column by column, D = epilogue(alpha op(A) op(B) + beta C + bias), a bias per
// row. What it is asked goes to a log; a test may make a function fail.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

namespace {

struct Matrix {
  int type;
  std::uint64_t rows, columns;
  std::int64_t stride;
};

struct Description {
  int compute, scale;
  int transposed[2] = {0, 0};
  int epilogue = 1;
  const float* bias = nullptr;
};

struct Preference {
  std::uint64_t workspace = 0;
  std::uint32_t alignment[4] = {256, 256, 256, 256};
};

struct Algo {
  std::uint64_t data[8];
};

struct Result {
  Algo algo;
  std::size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

constexpr std::uint64_t kChosen = 0x57726f70;  // in an Algo of ours

std::string log_text;
std::map<std::string, int> failing;
int alive = 0;  // handles, descriptions, layouts and preferences

int status_of(const char* function) {
  const auto found = failing.find(function);
  return found == failing.end() ? 0 : found->second;
}

template <typename T>
int make(const char* function, void** to, const T& value) {
  if (const int status = status_of(function)) return status;
  *to = new T(value);
  ++alive;
  return 0;
}

template <typename T>
int destroy(void* object) {
  delete static_cast<T*>(object);
  --alive;
  return 0;
}

template <typename T>
int take(T& to, const void* from, std::size_t size) {
  if (size != sizeof to) return 7;
  std::memcpy(&to, from, size);
  return 0;
}

}  // namespace

extern "C" {

// ---- for the tests ---------------------------------------------------------

void fake_fail(const char* function, int status) { failing[function] = status; }
void fake_reset() {
  failing.clear();
  log_text.clear();
}
const char* fake_log() { return log_text.c_str(); }
int fake_alive() { return alive; }

// ---- NVIDIA's names --------------------------------------------------------

int cublasLtCreate(void** handle) {
  log_text += "Create\n";
  return make("Create", handle, 0);
}
int cublasLtDestroy(void* handle) { return destroy<int>(handle); }

int cublasLtMatmulDescCreate(void** to, int compute, int scale) {
  return make("MatmulDescCreate", to, Description{compute, scale});
}
int cublasLtMatmulDescDestroy(void* desc) { return destroy<Description>(desc); }
int cublasLtMatmulDescSetAttribute(void* desc, int attribute, const void* from,
                                   std::size_t size) {
  if (const int status = status_of("MatmulDescSetAttribute")) return status;
  auto& d = *static_cast<Description*>(desc);
  switch (attribute) {
    case 3:
    case 4:
      return take(d.transposed[attribute - 3], from, size);
    case 7:
      return take(d.epilogue, from, size);
    case 8:
      return take(d.bias, from, size);
    default:
      return 7;
  }
}

int cublasLtMatrixLayoutCreate(void** to, int type, std::uint64_t rows,
                               std::uint64_t columns, std::int64_t stride) {
  if (type != 0 || stride < std::int64_t(rows)) return 7;
  return make("MatrixLayoutCreate", to, Matrix{type, rows, columns, stride});
}
int cublasLtMatrixLayoutDestroy(void* layout) {
  return destroy<Matrix>(layout);
}

int cublasLtMatmulPreferenceCreate(void** to) {
  return make("MatmulPreferenceCreate", to, Preference{});
}
int cublasLtMatmulPreferenceDestroy(void* preference) {
  return destroy<Preference>(preference);
}
int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute,
                                         const void* from, std::size_t size) {
  if (const int status = status_of("MatmulPreferenceSetAttribute")) {
    return status;
  }
  auto& p = *static_cast<Preference*>(preference);
  if (attribute == 1) return take(p.workspace, from, size);
  if (attribute < 5 || attribute > 8) return 7;
  return take(p.alignment[attribute - 5], from, size);
}

#if !STROP_PARTIAL
int cublasLtMatmulAlgoGetHeuristic(void* handle, void* desc, void* a, void* b,
                                   void* c, void* d, void* preference,
                                   int wanted, Result* results, int* found) {
  log_text += "Heuristic\n";
  if (handle == nullptr || desc == nullptr || a == nullptr || b == nullptr ||
      c == nullptr || d == nullptr || wanted < 1) {
    return 7;
  }
  *found = 0;
  if (const int status = status_of("MatmulAlgoGetHeuristic")) return status;
  if (status_of("nothing") != 0) return 0;
  const auto& p = *static_cast<Preference*>(preference);
  results[0] = Result{
      {{kChosen, p.alignment[0], p.alignment[1], p.alignment[3], p.workspace}},
      p.workspace,
      status_of("state"),
      1,
      {}};
  *found = 1;
  return 0;
}
#endif

int cublasLtMatmul(void*, void* desc, const float* alpha, const float* a,
                   void* a_layout, const float* b, void* b_layout,
                   const float* beta, const float* c, void*, float* d,
                   void* d_layout, const Algo* algo, void* workspace,
                   std::size_t workspace_bytes, void*) {
  if (const int status = status_of("Matmul")) return status;
  const auto& about = *static_cast<Description*>(desc);
  const auto& in_a = *static_cast<Matrix*>(a_layout);
  const auto& in_b = *static_cast<Matrix*>(b_layout);
  const auto& out = *static_cast<Matrix*>(d_layout);
  const auto extent = [](const Matrix& x, bool columns) {
    return columns ? x.columns : x.rows;
  };
  const std::uint64_t m = extent(in_a, about.transposed[0] != 0);
  const std::uint64_t k = extent(in_a, about.transposed[0] == 0);
  const std::uint64_t n = extent(in_b, about.transposed[1] == 0);
  const auto aligned = [](const void* pointer, std::uint64_t to) {
    return reinterpret_cast<std::uintptr_t>(pointer) % to == 0;
  };
  if (k != extent(in_b, about.transposed[1] != 0) || m != out.rows ||
      n != out.columns || *beta != 0 || c != d || about.scale != 0 ||
      algo->data[0] != kChosen || workspace_bytes < algo->data[4] ||
      !aligned(workspace, 16) || !aligned(a, algo->data[1]) ||
      !aligned(b, algo->data[2]) || !aligned(d, algo->data[3]) ||
      ((about.epilogue & 4) != 0 && about.bias == nullptr)) {
    return 7;
  }
  // The workspace is the library's until the product is there.
  std::memset(workspace, 0xff, workspace_bytes < 4096 ? workspace_bytes : 4096);
  char line[160];
  std::snprintf(
      line, sizeof line, "Matmul %llu x %llu x %llu compute %d epilogue %d\n",
      static_cast<unsigned long long>(m), static_cast<unsigned long long>(n),
      static_cast<unsigned long long>(k), about.compute, about.epilogue);
  log_text += line;
  for (std::uint64_t j = 0; j < n; ++j) {
    for (std::uint64_t i = 0; i < m; ++i) {
      double sum = 0;
      for (std::uint64_t l = 0; l < k; ++l) {
        const float left = about.transposed[0] != 0 ? a[i * in_a.stride + l]
                                                    : a[l * in_a.stride + i];
        const float right = about.transposed[1] != 0 ? b[l * in_b.stride + j]
                                                     : b[j * in_b.stride + l];
        sum += double(left) * double(right);
      }
      float value = *alpha * float(sum);
      if ((about.epilogue & 4) != 0) value += about.bias[i];
      if ((about.epilogue & 2) != 0 && !(value > 0)) value = 0;
      d[j * out.stride + i] = value;
    }
  }
  return 0;
}
}
