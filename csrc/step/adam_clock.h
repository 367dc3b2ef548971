#pragma once

#include <cmath>
#include <type_traits>
#include <vector>

#include "kernels/deferred_adam.h"
#include "math/adam_clock.h"

namespace strop::step {

// A product of decays below this is forgotten before it leaves double's range.
inline constexpr double kLeastKept = 1e-100;

inline ClockRule clock_rule(const AdamRule& r, bool amsgrad, int degree,
                            int window) {
  return {r.beta1, r.beta2, r.eps,  r.hat, r.bias_correction,
          amsgrad, false,   degree, window};
}

// The steps since `base`, and what they did to a row without a gradient. Grows
// by 108 bytes a step at degree 3; nothing is kept per row.
class AdamClock {
 public:
  AdamClock(const AdamRule& rule, bool amsgrad, int degree, int window)
      : rule_(rule), numbers_(clock_rule(rule, amsgrad, degree, window)) {
    make_tables();
    restart(0);
  }

  // For a float32 table.
  void use_float32() {
    numbers_.narrow = true;
    make_tables();
    restart(base_);
  }

  // Forgets the steps; the next one is base + 1.
  void restart(std::int32_t base) {
    base_ = base;
    steps_.clear();
    coefficients_.clear();
    centre_.clear();
    narrow_coefficients_.clear();
    narrow_centre_.clear();
    kept_.clear();
    decays_ = false;
    append({0, 1, 0, 0, 0, 0});
  }

  // Takes step number `last + 1` with its learning rate and decoupled decay.
  void advance(double learning_rate, double weight_decay) {
    const ClockStep step =
        clock_step(numbers_, corrections_of(numbers_, last() + 1),
                   learning_rate, weight_decay);
    decays_ = decays_ || step.decay != 0;
    append(step);
    cpu::deferred_adam_advance(
        {coefficients_.data(), narrow_coefficients_.data(), centre_.data(),
         power1_.data(), shrink_.data(), terms_.data(), step.alpha, step.decay,
         step.added_eps, Index(centre_.size()) - 1, numbers_.window,
         numbers_.degree, strop::moving_eps(numbers_)});
  }

  // Whether the table must be flushed before the next step: a list that grows
  // for ever, or a product of decays that would leave double's range.
  bool full() const { return room() == 0; }

  // Steps that may be taken before it is full.
  Index room() const {
    const Index left = Index{kClockSteps} + 1 - Index(centre_.size());
    return kept_.back() < kLeastKept ? 0 : left;
  }

  std::int32_t base() const { return base_; }
  std::int32_t last() const { return base_ + std::int32_t(centre_.size()) - 1; }
  int degree() const { return numbers_.degree; }
  int window() const { return numbers_.window; }
  bool amsgrad() const { return numbers_.amsgrad; }
  const AdamRule& rule() const { return rule_; }
  bool moving_eps() const { return strop::moving_eps(numbers_); }

  template <typename T>
  AdamHistory<T> history() const {
    const auto list = [](const std::vector<double>& wide,
                         const std::vector<float>& narrow) {
      if constexpr (std::is_same_v<T, float>) {
        return narrow.data();
      } else {
        return wide.data();
      }
    };
    return {steps_.data(),
            list(coefficients_, narrow_coefficients_),
            list(centre_, narrow_centre_),
            kept_.data(),
            list(power1_, narrow_power1_),
            list(power2_, narrow_power2_),
            as_table_has(numbers_, rule_.beta1),
            as_table_has(numbers_, rule_.beta2),
            base_,
            numbers_.window,
            kClockPowers,
            numbers_.degree,
            decays_};
  }

  // C_0 ... C_P of the gap from step s, `base` to `last`, to now.
  std::vector<double> coefficients(std::int32_t s) const {
    const auto first = coefficients_.begin() + (s - base_) * (degree() + 1);
    return std::vector<double>(first, first + degree() + 1);
  }

 private:
  void make_tables() {
    const int count = degree() + 1;
    power1_.resize(kClockPowers);
    power2_.resize(kClockPowers);
    shrink_.resize(window() + 1);
    terms_.resize(window() * count);
    for (int j = 0; j < kClockPowers; ++j) {
      power1_[j] = power(as_table_has(numbers_, rule_.beta1), j);
      power2_[j] = power(as_table_has(numbers_, rule_.beta2), j);
    }
    narrow_power1_.assign(power1_.begin(), power1_.end());
    narrow_power2_.assign(power2_.begin(), power2_.end());
    for (int j = 0; j <= window(); ++j) shrink_[j] = shrink_of(numbers_, j);
    for (int j = window(); j >= 1; --j) {
      double* term = terms_.data() + (window() - j) * count;
      for (int i = 0; i < count; ++i) {
        term[i] = i == 0 ? power1_[j] : term[i - 1] * shrink_[j];
      }
    }
  }

  void append(const ClockStep& s) {
    const Index at = base_ + Index(centre_.size());
    steps_.insert(steps_.end(), {s.step_size, s.inv_root, s.eps, s.decay});
    coefficients_.insert(coefficients_.end(), degree() + 1, 0.0);
    centre_.push_back(centre_of(numbers_, at));
    narrow_coefficients_.resize(coefficients_.size());
    narrow_centre_.push_back(float(centre_.back()));
    kept_.push_back((kept_.empty() ? 1 : kept_.back()) * (1 - s.decay));
  }

  AdamRule rule_;
  ClockRule numbers_;
  bool decays_ = false;
  std::int32_t base_ = 0;
  std::vector<double> steps_, coefficients_, centre_, kept_;
  std::vector<double> power1_, power2_, shrink_, terms_;
  std::vector<float> narrow_coefficients_, narrow_centre_;
  std::vector<float> narrow_power1_, narrow_power2_;
};

}  // namespace strop::step
