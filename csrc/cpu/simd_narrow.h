#pragma once

// The 16-byte vectors of simd.h: SSE2 and NEON, where they are the widest, and
// the half vectors of AVX2. Without masks the first few lanes go one by one.

namespace strop::cpu::STROP_ISA {
namespace {

// Masks for the first n lanes where the set has no mask registers.
alignas(64) constexpr std::int32_t kOnes32[16] = {
    -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
alignas(64) constexpr std::int64_t kOnes64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};

#if defined(__x86_64__)

struct F32x4 {
  using Scalar = float;
  using Reg = __m128;
  static constexpr int kLanes = 4;
  STROP_HD Reg zero() { return _mm_setzero_ps(); }
  STROP_HD Reg load(const float* p) { return _mm_loadu_ps(p); }
  STROP_HD void store(float* p, Reg x) { _mm_storeu_ps(p, x); }
  STROP_HD Reg broadcast(const float* p) { return _mm_set1_ps(*p); }
  STROP_HD Reg add(Reg a, Reg b) { return _mm_add_ps(a, b); }
  STROP_HD Reg relu(Reg x) { return _mm_max_ps(zero(), x); }
  STROP_HD Reg fold(Reg x) { return x; }
  STROP_HD Reg sums(const Reg* x) {
    const Reg one =
        add(_mm_unpacklo_ps(x[0], x[1]), _mm_unpackhi_ps(x[0], x[1]));
    const Reg two =
        add(_mm_unpacklo_ps(x[2], x[3]), _mm_unpackhi_ps(x[2], x[3]));
    return add(_mm_movelh_ps(one, two), _mm_movehl_ps(two, one));
  }
#if defined(__FMA__)
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return _mm_fmadd_ps(a, b, c); }
  using Mask = __m128i;
  STROP_HD Mask first(int n) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(kOnes32 + 8 - n));
  }
  STROP_HD Reg load(const float* p, Mask m) { return _mm_maskload_ps(p, m); }
  STROP_HD void store(float* p, Reg x, Mask m) { _mm_maskstore_ps(p, m, x); }
#else
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) {
    return _mm_add_ps(_mm_mul_ps(a, b), c);
  }
  using Mask = int;
  STROP_HD Mask first(int n) { return n; }
  STROP_HD Reg load(const float* p, Mask n) {
    return _mm_setr_ps(n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0,
                       n > 3 ? p[3] : 0);
  }
  STROP_HD void store(float* p, Reg x, Mask n) {
    float lanes[4];
    store(lanes, x);
    for (int i = 0; i < n; ++i) p[i] = lanes[i];
  }
#endif
};

struct F64x2 {
  using Scalar = double;
  using Reg = __m128d;
  static constexpr int kLanes = 2;
  STROP_HD Reg zero() { return _mm_setzero_pd(); }
  STROP_HD Reg load(const double* p) { return _mm_loadu_pd(p); }
  STROP_HD void store(double* p, Reg x) { _mm_storeu_pd(p, x); }
  STROP_HD Reg broadcast(const double* p) { return _mm_set1_pd(*p); }
  STROP_HD Reg add(Reg a, Reg b) { return _mm_add_pd(a, b); }
  STROP_HD Reg relu(Reg x) { return _mm_max_pd(zero(), x); }
  STROP_HD Reg fold(Reg x) { return x; }
  STROP_HD Reg sums(const Reg* x) {
    return add(_mm_unpacklo_pd(x[0], x[1]), _mm_unpackhi_pd(x[0], x[1]));
  }
#if defined(__FMA__)
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return _mm_fmadd_pd(a, b, c); }
#else
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) {
    return _mm_add_pd(_mm_mul_pd(a, b), c);
  }
#endif
  using Mask = int;
  STROP_HD Mask first(int n) { return n; }
  STROP_HD Reg load(const double* p, Mask n) {
    return n > 1 ? load(p) : n > 0 ? _mm_load_sd(p) : zero();
  }
  STROP_HD void store(double* p, Reg x, Mask n) {
    if (n > 1) return store(p, x);
    if (n > 0) _mm_store_sd(p, x);
  }
};

#elif defined(__aarch64__)

struct F32x4 {
  using Scalar = float;
  using Reg = float32x4_t;
  using Mask = int;
  static constexpr int kLanes = 4;
  STROP_HD Reg zero() { return vdupq_n_f32(0); }
  STROP_HD Reg load(const float* p) { return vld1q_f32(p); }
  STROP_HD void store(float* p, Reg x) { vst1q_f32(p, x); }
  STROP_HD Reg broadcast(const float* p) { return vld1q_dup_f32(p); }
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }
  STROP_HD Reg add(Reg a, Reg b) { return vaddq_f32(a, b); }
  STROP_HD Reg relu(Reg x) { return vbslq_f32(vcltzq_f32(x), zero(), x); }
  STROP_HD Reg fold(Reg x) { return x; }
  STROP_HD Reg sums(const Reg* x) {
    const Reg one = add(vzip1q_f32(x[0], x[1]), vzip2q_f32(x[0], x[1]));
    const Reg two = add(vzip1q_f32(x[2], x[3]), vzip2q_f32(x[2], x[3]));
    return add(vcombine_f32(vget_low_f32(one), vget_low_f32(two)),
               vcombine_f32(vget_high_f32(one), vget_high_f32(two)));
  }
  STROP_HD Mask first(int n) { return n; }
  STROP_HD Reg load(const float* p, Mask n) {
    float lanes[4] = {};
    for (int i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  STROP_HD void store(float* p, Reg x, Mask n) {
    float lanes[4];
    store(lanes, x);
    for (int i = 0; i < n; ++i) p[i] = lanes[i];
  }
};

struct F64x2 {
  using Scalar = double;
  using Reg = float64x2_t;
  using Mask = int;
  static constexpr int kLanes = 2;
  STROP_HD Reg zero() { return vdupq_n_f64(0); }
  STROP_HD Reg load(const double* p) { return vld1q_f64(p); }
  STROP_HD void store(double* p, Reg x) { vst1q_f64(p, x); }
  STROP_HD Reg broadcast(const double* p) { return vld1q_dup_f64(p); }
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) { return vfmaq_f64(c, a, b); }
  STROP_HD Reg add(Reg a, Reg b) { return vaddq_f64(a, b); }
  STROP_HD Reg relu(Reg x) { return vbslq_f64(vcltzq_f64(x), zero(), x); }
  STROP_HD Reg fold(Reg x) { return x; }
  STROP_HD Reg sums(const Reg* x) {
    return add(vzip1q_f64(x[0], x[1]), vzip2q_f64(x[0], x[1]));
  }
  STROP_HD Mask first(int n) { return n; }
  STROP_HD Reg load(const double* p, Mask n) {
    return n > 1 ? load(p) : n > 0 ? vsetq_lane_f64(p[0], zero(), 0) : zero();
  }
  STROP_HD void store(double* p, Reg x, Mask n) {
    if (n > 1) return store(p, x);
    if (n > 0) vst1q_lane_f64(p, x, 0);
  }
};

#else

// Any other processor: one lane at a time, for the compiler to make the best
// of.
template <typename T, int kCount>
struct Array {
  T lane[kCount];
};

template <typename T, int kCount>
struct Plain {
  using Scalar = T;
  using Reg = Array<T, kCount>;
  using Mask = int;
  static constexpr int kLanes = kCount;
  template <typename F>
  STROP_HD Reg each(F f) {
    Reg x;
    for (int i = 0; i < kCount; ++i) x.lane[i] = f(i);
    return x;
  }
  STROP_HD Reg zero() {
    return each([](int) { return T(0); });
  }
  STROP_HD Reg load(const T* p) {
    return each([=](int i) { return p[i]; });
  }
  STROP_HD void store(T* p, Reg x) { store(p, x, kCount); }
  STROP_HD Reg broadcast(const T* p) {
    return each([=](int) { return *p; });
  }
  STROP_HD Reg fmadd(Reg a, Reg b, Reg c) {
    return each([=](int i) { return a.lane[i] * b.lane[i] + c.lane[i]; });
  }
  STROP_HD Reg add(Reg a, Reg b) {
    return each([=](int i) { return a.lane[i] + b.lane[i]; });
  }
  STROP_HD Reg relu(Reg x) {
    return each([=](int i) { return x.lane[i] < 0 ? T(0) : x.lane[i]; });
  }
  STROP_HD Reg fold(Reg x) { return x; }
  STROP_HD Reg sums(const Reg* x) {
    return each([=](int i) {
      Reg y = x[i];
      for (int n = kCount / 2; n > 0; n /= 2) {
        for (int j = 0; j < n; ++j) y.lane[j] += y.lane[j + n];
      }
      return y.lane[0];
    });
  }
  STROP_HD Mask first(int n) { return n; }
  STROP_HD Reg load(const T* p, Mask n) {
    return each([=](int i) { return i < n ? p[i] : T(0); });
  }
  STROP_HD void store(T* p, Reg x, Mask n) {
    for (int i = 0; i < n; ++i) p[i] = x.lane[i];
  }
};

using F32x4 = Plain<float, 4>;
using F64x2 = Plain<double, 2>;

#endif

template <typename T>
struct Narrowest;
template <>
struct Narrowest<float> {
  using Vector = F32x4;
};
template <>
struct Narrowest<double> {
  using Vector = F64x2;
};

}  // namespace
}  // namespace strop::cpu::STROP_ISA
