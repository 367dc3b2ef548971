#pragma once

#include <cmath>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "kernels.h"
#include "math/deferred_adam.h"

namespace strop::step {

// The steps since `base`, and what they did to a row without a gradient. Grows
// by 108 bytes a step at degree 3; nothing is kept per row.
class AdamClock {
 public:
  AdamClock(const AdamRule& rule, bool amsgrad, int degree, int window)
      : rule_(rule), amsgrad_(amsgrad), degree_(degree), window_(window) {
    make_tables();
    restart(0);
  }

  // For a float32 table. Its dense kernel decays by the betas as float32 has
  // them; with the exact 0.999 the second moment would drift by 1.8e-5 in 1,500
  // steps.
  void use_float32() {
    narrow_ = true;
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
    append({0, 1, 0, 0});
  }

  // Takes step number `last + 1` with its learning rate and decoupled decay.
  void advance(double learning_rate, double weight_decay) {
    const std::int64_t n = std::int64_t{last()} + 1;
    const double c1 =
        rule_.bias_correction ? one_minus_power(rule_.beta1, n) : 1;
    const double root = correction(n);
    const double share = learning_rate * weight_decay;
    const double decay = narrow_ ? double(float(share)) : share;
    decays_ = decays_ || decay != 0;
    append({learning_rate / c1, 1 / root,
            rule_.hat ? rule_.eps / root : rule_.eps, decay});
    cpu::deferred_adam_advance(
        {coefficients_.data(), narrow_coefficients_.data(), centre_.data(),
         power1_.data(), shrink_.data(), terms_.data(),
         learning_rate * root / c1, decay,
         rule_.hat ? rule_.eps : rule_.eps * root, Index(centre_.size()) - 1,
         window_, degree_, moving_eps()});
  }

  // Whether the table must be flushed before the next step: a list that grows
  // for ever, or a product of decays that would leave double's range.
  bool full() const {
    return centre_.size() > kMostSteps || kept_.back() < 1e-100;
  }

  std::int32_t base() const { return base_; }
  std::int32_t last() const { return base_ + std::int32_t(centre_.size()) - 1; }
  int degree() const { return degree_; }
  int window() const { return window_; }
  bool amsgrad() const { return amsgrad_; }
  const AdamRule& rule() const { return rule_; }

  // Whether e_n, what is added to the root, differs from step to step.
  bool moving_eps() const {
    return !rule_.hat && rule_.bias_correction && rule_.eps > 0;
  }

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
            beta1(),
            beta2(),
            base_,
            window_,
            kPowers,
            degree_,
            decays_};
  }

  // C_0 ... C_P of the gap from step s, `base` to `last`, to now.
  std::vector<double> coefficients(std::int32_t s) const {
    const auto first = coefficients_.begin() + (s - base_) * (degree_ + 1);
    return std::vector<double>(first, first + degree_ + 1);
  }

  static constexpr std::int32_t kPowers = 4096;  // more than any window

 private:
  static constexpr std::size_t kMostSteps = 1 << 16;

  double beta1() const {
    return narrow_ ? double(float(rule_.beta1)) : rule_.beta1;
  }
  double beta2() const {
    return narrow_ ? double(float(rule_.beta2)) : rule_.beta2;
  }
  double correction(std::int64_t n) const {
    return rule_.bias_correction ? std::sqrt(one_minus_power(rule_.beta2, n))
                                 : 1;
  }

  void make_tables() {
    power1_.resize(kPowers);
    power2_.resize(kPowers);
    shrink_.resize(window_ + 1);
    terms_.resize(window_ * (degree_ + 1));
    for (int j = 0; j < kPowers; ++j) {
      power1_[j] = power(beta1(), j);
      power2_[j] = power(beta2(), j);
    }
    narrow_power1_.assign(power1_.begin(), power1_.end());
    narrow_power2_.assign(power2_.begin(), power2_.end());
    // For AMSGrad the greatest second moment stands still.
    for (int j = 0; j <= window_; ++j) {
      shrink_[j] = amsgrad_ ? 0 : 1 - std::sqrt(power2_[j]);
    }
    for (int j = window_; j >= 1; --j) {
      double* term = terms_.data() + (window_ - j) * (degree_ + 1);
      for (int i = 0; i <= degree_; ++i) {
        term[i] = i == 0 ? power1_[j] : term[i - 1] * shrink_[j];
      }
    }
  }

  void append(std::initializer_list<double> step) {
    const std::int64_t s = base_ + std::int64_t(centre_.size());
    steps_.insert(steps_.end(), step);
    coefficients_.insert(coefficients_.end(), degree_ + 1, 0.0);
    // The expansion is best about the e_n of the steps that weigh most.
    const auto h = std::int64_t(std::round(1 / (1 - rule_.beta1)));
    centre_.push_back(moving_eps() ? rule_.eps * correction(s + h) : rule_.eps);
    narrow_coefficients_.resize(coefficients_.size());
    narrow_centre_.push_back(float(centre_.back()));
    kept_.push_back((kept_.empty() ? 1 : kept_.back()) *
                    (1 - *(step.end() - 1)));
  }

  AdamRule rule_;
  bool amsgrad_;
  int degree_;
  std::int32_t window_;
  bool narrow_ = false;
  bool decays_ = false;
  std::int32_t base_ = 0;
  std::vector<double> steps_, coefficients_, centre_, kept_;
  std::vector<double> power1_, power2_, shrink_, terms_;
  std::vector<float> narrow_coefficients_, narrow_centre_;
  std::vector<float> narrow_power1_, narrow_power2_;
};

}  // namespace strop::step
