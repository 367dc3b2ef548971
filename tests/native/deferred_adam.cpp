#include "kernels/deferred_adam.h"

#include "native.h"
#if STROP_SIMT
#include "cuda/device_clock.h"
#endif

// Rows that missed steps, brought up to date by replay and by the polynomial:
// both within the rounding of a loop in double.

namespace strop::native {
namespace {

constexpr int kSteps = 40;
constexpr int kDegree = 4;
constexpr Index kWindow = 300;
constexpr Index kPowers = 512;
constexpr double kBeta1 = 0.875, kBeta2 = 0.9990234375;  // exact in float
constexpr double kRate = 0.0078125, kEps = 1e-3;

#if STROP_SIMT

// A clock that has taken kSteps steps of a constant rate, without correction
// and decay.
template <typename T>
struct Lists {
  static ClockRule rule() {
    return {kBeta1, kBeta2,         kEps,    true,   false,
            false,  sizeof(T) == 4, kDegree, kWindow};
  }
  static Index words() {
    Index count = 0;
    cuda::device_clock<T>(rule(), nullptr, &count);
    return count;
  }

  Guarded<double> memory{words()};
  cuda::DeviceClock<T> clock = cuda::device_clock<T>(rule(), memory.data());

  Lists() {
    cuda::start_clock(cuda::StartClock<T>{clock, 0, true, nullptr, 0}, {});
    for (int s = 0; s < kSteps; ++s) {
      DeferredAdamStep<T> step{};
      step.table.history = history();
      step.advance = advance();
      cuda::deferred_adam_step(step, {});
    }
  }
  AdamHistory<T> history() const { return clock.history(); }
  ClockAdvance<T> advance() const { return {&clock, kRate, nullptr, 0.0}; }
};

#else

// The lists behind AdamHistory<T> for kSteps steps of a constant rate, epsilon
// beside the corrected root (the Keras form), no decay.
template <typename T>
struct Lists {
  Guarded<double> steps{4 * (kSteps + 1)};
  Guarded<double> coefficients{(kSteps + 1) * (kDegree + 1)};
  Guarded<double> centre{kSteps + 1};
  Guarded<double> kept{kSteps + 1};
  Guarded<double> power1{kPowers}, power2{kPowers}, shrink{kWindow + 1};
  Guarded<double> terms{kWindow * (kDegree + 1)};
  Guarded<float> narrow{coefficients.size()};
  Guarded<T> rounded{coefficients.size()}, rounded_centre{centre.size()};
  Guarded<T> rounded_power1{kPowers}, rounded_power2{kPowers};

  Lists() {
    for (Index k = 0; k < kPowers; ++k) {
      power1[k] = std::pow(kBeta1, double(k));
      power2[k] = std::pow(kBeta2, double(k));
    }
    for (Index j = 0; j <= kWindow; ++j) {
      shrink[j] = 1 - std::pow(kBeta2, 0.5 * double(j));
    }
    for (Index j = kWindow; j >= 1; --j) {
      double* term = terms.data() + (kWindow - j) * (kDegree + 1);
      for (int i = 0; i <= kDegree; ++i) {
        term[i] = i == 0 ? power1[j] : term[i - 1] * shrink[j];
      }
    }
    coefficients.fill(0);
    centre.fill(kEps);
    kept.fill(1);
    for (Index s = 0; s <= kSteps; ++s) {
      steps[4 * s] = kRate;
      steps[4 * s + 1] = 1;
      steps[4 * s + 2] = kEps;
      steps[4 * s + 3] = 0;
      if (s == 0) continue;
      cpu::deferred_adam_advance({coefficients.data(), narrow.data(),
                                  centre.data(), power1.data(), shrink.data(),
                                  terms.data(), kRate, 0.0, kEps, s, kWindow,
                                  kDegree, false});
    }
    const auto round = [](const Guarded<double>& from, const Guarded<T>& to) {
      for (Index i = 0; i < from.size(); ++i) to[i] = T(from[i]);
    };
    round(coefficients, rounded);
    round(centre, rounded_centre);
    round(power1, rounded_power1);
    round(power2, rounded_power2);
  }

  AdamHistory<T> history() const {
    return {steps.data(),
            rounded.data(),
            rounded_centre.data(),
            kept.data(),
            rounded_power1.data(),
            rounded_power2.data(),
            kBeta1,
            kBeta2,
            0,
            kWindow,
            kPowers,
            kDegree,
            false};
  }
  ClockAdvance<T> advance() const { return {}; }
};

#endif

template <typename T, typename Id>
void catch_up(Index count, Index width, bool replay, bool peek, bool step) {
  const Lists<T> lists;
  const Index rows = count + 3;
  Guarded<T> param(rows * width), moment1(rows * width), moment2(rows * width),
      gathered(step ? 0 : count * width), grad(step ? count * width : 0);
  param.random();
  moment1.random();
  moment2.random(0.5, 1);
  grad.random();
  Guarded<std::int32_t> last(rows);
  for (Index r = 0; r < rows; ++r) last[r] = std::int32_t(r % (kSteps + 1));
  Guarded<Id> ids(count);
  for (Index i = 0; i < count; ++i) ids[i] = Id(rows - 1 - i);
  const auto w0 = param.copy(), m0 = moment1.copy(), v0 = moment2.copy();
  const auto at0 = last.copy();
  const DeferredAdamCatchUp<T> table{param.data(),
                                     moment1.data(),
                                     moment2.data(),
                                     nullptr,
                                     last.data(),
                                     ids_of(ids),
                                     step ? nullptr : gathered.data(),
                                     peek,
                                     width,
                                     width,
                                     kSteps,
                                     true,
                                     0.0,
                                     0,
                                     replay,
                                     lists.history(),
                                     rows};
  const AdamCoefficients<T> c{T(kBeta1),     T(1 - kBeta1), T(kBeta2),
                              T(1 - kBeta2), T(kRate),      T(1),
                              T(kEps),       T(0)};
  if (step) {
    backend::deferred_adam_step(
        DeferredAdamStep<T>{table, nullptr, grad.data(), c, lists.advance()},
        {});
  } else {
    backend::deferred_adam_catch_up(table, {});
  }
  for (Index i = 0; i < count; ++i) {
    const Index row = Index(ids[i]);
    for (Index d = 0; d < width; ++d) {
      const Index at = row * width + d;
      double w = w0[std::size_t(at)], m = m0[std::size_t(at)];
      double v = v0[std::size_t(at)];
      const auto from = int(at0[std::size_t(row)]);
      for (int s = from; s < kSteps + int(step); ++s) {
        const double g = s == kSteps ? double(grad[i * width + d]) : 0;
        m = kBeta1 * m + (1 - kBeta1) * g;
        v = kBeta2 * v + (1 - kBeta2) * g * g;
        w -= kRate * m / (std::sqrt(v) + double(T(kEps)));
      }
      const T got = step ? param[at] : gathered[i * width + d];
      near("param", at, got, w, 2, sizeof(T) == 4 ? 16 : 1e5);
    }
    const int now = peek ? int(at0[std::size_t(row)]) : kSteps + int(step);
    STROP_CHECK(last[row] == now, "row %lld stands at %d",
                static_cast<long long>(row), int(last[row]));
  }
  param.recorded();
  moment1.recorded();
  gathered.recorded();
}

}  // namespace

void test_deferred_adam() {
  for (const Index width : {1, 3, 15, 16, 17, 40}) {
    for (int kind = 0; kind < 8; ++kind) {
      const bool replay = kind & 1, peek = kind & 2, step = kind & 4;
      if (peek && step) continue;
      catch_up<float, std::int32_t>(9, width, replay, peek, step);
      catch_up<double, std::int64_t>(9, width, replay, peek, step);
    }
  }
  catch_up<float, std::int32_t>(limited(40'001), 16, false, false, false);
  catch_up<float, std::int64_t>(limited(40'001), 16, false, false, true);
}

}  // namespace strop::native
