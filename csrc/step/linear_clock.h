#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/base.h"

namespace strop::step {

// A table of which rows without a gradient are behind, and its state.
template <typename T>
struct LinearTable {
  T* param;                // (V, D), as the states
  std::vector<T*> states;  // the one that moves the parameter first
  std::int32_t* last;      // (V): the step that each row holds
  Index rows, width;       // V, D
};

// The steps since `base` under a rule that is linear where there is no
// gradient, as SGD with momentum, RMSprop, Adagrad and Adadelta are:
//
//     state_i *= factor_i      param += push_n * state_0 - decay_n * param
//
// Over the k steps that a row has missed that is
//
//     state_i *= factor_i^k    param = kept * param + push * state_0
//
// with two numbers for each step at which a row may have stopped. They are
// worked out in double anew at every step: 8,000 of each take 5 us.
class LinearClock {
 public:
  // `narrow`: the table is float32, whose kernels decay by the factors as
  // float32 has them.
  LinearClock(std::vector<double> factors, bool narrow)
      : factors_(std::move(factors)),
        narrow_(narrow),
        powers_(factors_.size(), {1}) {
    for (double& f : factors_) f = narrow ? double(float(f)) : f;
    restart(0);
  }

  // Forgets the steps; the next one is base + 1.
  void restart(std::int32_t base) {
    base_ = base;
    kept_.assign(1, 1);
    push_.assign(1, 0);
    decays_ = pushes_ = false;
  }

  void advance(double push, double share) {
    const double decay = narrow_ ? double(float(share)) : share;
    const std::size_t steps = kept_.size();
    for (std::size_t i = 0; i < factors_.size(); ++i) {
      if (powers_[i].size() <= steps) {
        powers_[i].push_back(powers_[i].back() * factors_[i]);
      }
    }
    decays_ = decays_ || decay != 0;
    pushes_ = pushes_ || push != 0;
    if (decays_) {
      for (double& kept : kept_) kept -= decay * kept;
    }
    if (pushes_) {
      const double* power = powers_[0].data() + steps;
      for (std::size_t s = 0; s < steps; ++s) {
        push_[s] += push * power[-std::ptrdiff_t(s)] - decay * push_[s];
      }
    }
    kept_.push_back(1);
    push_.push_back(0);
  }

  // Whether the table should be flushed before the next step.
  bool full() const { return kept_.size() > kMostSteps; }

  std::int32_t base() const { return base_; }
  std::int32_t last() const { return base_ + std::int32_t(kept_.size()) - 1; }
  std::size_t states() const { return factors_.size(); }

  // Copies of the parameters of rows as they are at the last step, to `out`
  // (R, D). Without ids these are all rows.
  template <typename T>
  void peek(const LinearTable<T>& t, const Ids& rows, T* out) const {
    for (Index i = 0; i < rows.size; ++i) {
      const Index id = id_of(rows, i);
      cross(t, id * t.width, t.last[id] - base_, out + i * t.width);
    }
  }

  // The same rows brought up to the last step themselves.
  template <typename T>
  void catch_up(const LinearTable<T>& t, const Ids& rows) const {
    for (Index i = 0; i < rows.size; ++i) {
      const Index id = id_of(rows, i), at = id * t.width;
      const Index k = last() - t.last[id];
      if (k == 0) continue;
      cross(t, at, t.last[id] - base_, t.param + at);
      for (std::size_t s = 0; s < factors_.size(); ++s) {
        if (factors_[s] == 1) continue;
        const T power = T(powers_[s][k]);
        T* state = t.states[s] + at;
        for (Index d = 0; d < t.width; ++d) state[d] *= power;
      }
      t.last[id] = last();
    }
  }

 private:
  static constexpr std::size_t kMostSteps = 1 << 13;

  static Index id_of(const Ids& ids, Index i) {
    if (ids.data == nullptr) return i;
    return ids.wide ? static_cast<const std::int64_t*>(ids.data)[i]
                    : static_cast<const std::int32_t*>(ids.data)[i];
  }

  // A share near 1 is kept as what it is, one near 0 as what is lost: float32
  // has 7 digits of either.
  template <typename T>
  void cross(const LinearTable<T>& t, Index at, Index place, T* out) const {
    const T* param = t.param + at;
    if (!decays_ && !pushes_) {
      if (out != param) std::copy_n(param, t.width, out);
      return;
    }
    const bool little = kept_[place] > 0.5;
    const T whole = T(little ? 1 : 0);
    const T lost = T(little ? 1 - kept_[place] : -kept_[place]);
    const T push = T(push_[place]);
    const T* state = pushes_ ? t.states[0] + at : param;
    for (Index d = 0; d < t.width; ++d) {
      out[d] = whole * param[d] + (push * state[d] - lost * param[d]);
    }
  }

  std::vector<double> factors_;
  bool narrow_;
  std::vector<std::vector<double>> powers_;
  std::int32_t base_ = 0;
  std::vector<double> kept_, push_;
  bool decays_ = false, pushes_ = false;
};

}  // namespace strop::step
