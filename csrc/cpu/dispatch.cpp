// Chooses, at load, the widest instruction set that this processor has, and
// forwards every kernel of kernels.h to it.

#include <atomic>
#include <cstring>

#include "cpu/isa.h"
#include "kernels.h"

namespace strop::cpu {

#define STROP_DECLARE_IN_SET_FLOAT32(name, Args) void name(const Args<float>&);
#define STROP_DECLARE_IN_SET(name, Args) \
  void name(const Args<float>&);         \
  void name(const Args<double>&);
#define STROP_DECLARE_SET(isa)                        \
  namespace isa {                                     \
  STROP_KERNELS(STROP_DECLARE_IN_SET)                 \
  STROP_FLOAT32_KERNELS(STROP_DECLARE_IN_SET_FLOAT32) \
  }
#if STROP_HAVE_BASELINE
STROP_DECLARE_SET(baseline)
#endif
#if STROP_HAVE_AVX2
STROP_DECLARE_SET(avx2)
#endif
#if STROP_HAVE_AVX512
STROP_DECLARE_SET(avx512)
#endif
#if STROP_HAVE_NEON
STROP_DECLARE_SET(neon)
#endif

namespace {

struct Table {
#define STROP_SLOT(name, Args)            \
  void (*name##_f32)(const Args<float>&); \
  void (*name##_f64)(const Args<double>&);
  STROP_KERNELS(STROP_SLOT)
#define STROP_SLOT_FLOAT32(name, Args) void (*name##_f32)(const Args<float>&);
  STROP_FLOAT32_KERNELS(STROP_SLOT_FLOAT32)
};

#define STROP_BASELINE1(name, Args) baseline::name,
#define STROP_AVX2_1(name, Args) avx2::name,
#define STROP_AVX512_1(name, Args) avx512::name,
#define STROP_NEON1(name, Args) neon::name,
#define STROP_BASELINE(name, Args) baseline::name, baseline::name,
#define STROP_AVX2(name, Args) avx2::name, avx2::name,
// float64 runs AVX2's code: the same bits, at 0.8 to 1.1 times the speed.
#define STROP_AVX512(name, Args) avx512::name, avx2::name,
#define STROP_NEON(name, Args) neon::name, neon::name,

constexpr Table tables[] = {
#if STROP_HAVE_BASELINE
    {STROP_KERNELS(STROP_BASELINE) STROP_FLOAT32_KERNELS(STROP_BASELINE1)},
#endif
#if STROP_HAVE_AVX2
    {STROP_KERNELS(STROP_AVX2) STROP_FLOAT32_KERNELS(STROP_AVX2_1)},
#endif
#if STROP_HAVE_AVX512
    {STROP_KERNELS(STROP_AVX512) STROP_FLOAT32_KERNELS(STROP_AVX512_1)},
#endif
#if STROP_HAVE_NEON
    {STROP_KERNELS(STROP_NEON) STROP_FLOAT32_KERNELS(STROP_NEON1)},
#endif
};

// __builtin_cpu_supports also asks the operating system (XGETBV) whether it
// saves the registers. It needs __builtin_cpu_init before static constructors.
#if defined(__x86_64__)
bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd");
}
#endif

const Isa isas[] = {
#if STROP_HAVE_BASELINE
    {"baseline", true},
#endif
#if STROP_HAVE_AVX2
    {"avx2", has_avx2()},
#endif
#if STROP_HAVE_AVX512
    {"avx512", has_avx512()},
#endif
#if STROP_HAVE_NEON
    {"neon", true},
#endif
};
constexpr int kIsas = sizeof(isas) / sizeof(isas[0]);

int widest() {
  int found = 0;
  for (int i = 0; i < kIsas; ++i) {
    if (isas[i].supported) found = i;
  }
  return found;
}

std::atomic<int> active{widest()};

const Table& table() { return tables[active.load(std::memory_order_relaxed)]; }

}  // namespace

const Isa* built_isas(int* count) {
  *count = kIsas;
  return isas;
}

const char* active_isa() { return isas[active].name; }

bool set_isa(const char* name) {
  for (int i = 0; i < kIsas; ++i) {
    if (isas[i].supported && std::strcmp(isas[i].name, name) == 0) {
      active = i;
      return true;
    }
  }
  return false;
}

#define STROP_FORWARD_FLOAT32(name, Args) \
  void name(const Args<float>& a, Stream) { table().name##_f32(a); }
#define STROP_FORWARD(name, Args)   \
  STROP_FORWARD_FLOAT32(name, Args) \
  void name(const Args<double>& a, Stream) { table().name##_f64(a); }
STROP_KERNELS(STROP_FORWARD)
STROP_FLOAT32_KERNELS(STROP_FORWARD_FLOAT32)

}  // namespace strop::cpu
