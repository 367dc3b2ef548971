#pragma once

#include <variant>
#include <vector>

#include "kernels/adam.h"
#include "kernels/sgd.h"
#include "kernels/update.h"
#include "step/memory.h"

namespace strop::step {

// A parameter that the optimizer moves as a whole, and its state.
template <typename T>
struct Parameter {
  T* param;
  T* first;   // moment1, velocity or mean_square, or null
  T* second;  // moment2 or mean_grad, or null
  T* third;   // max_moment2 or RMSprop's velocity, or null
  Index size;
  double decay;
  Buffer<T>* grad;  // where its gradient will stand
};

using Rule = std::variant<AdamRule, SgdRule, RmspropRule>;

// One optimizer step over all parameters of a program in one call.
template <typename T>
class Update {
 public:
  explicit Update(const Rule& rule) : rule_(rule) {}

  void add(const Parameter<T>& parameter) { parameters_.push_back(parameter); }

  // `number` counts from 1.
  void step(Index number, double learning_rate) {
    if (parameters_.empty()) return;
    if (const auto* adam = std::get_if<AdamRule>(&rule_)) {
      adam_.clear();
      for (const Parameter<T>& p : parameters_) {
        adam_.push_back({p.param, p.first, p.second, p.third, p.grad->data(),
                         p.size, T(learning_rate * p.decay)});
      }
      cpu::adam_step(
          AdamStep<T>{adam_.data(), Index(adam_.size()),
                      coefficients_of<T>(*adam, number, learning_rate)},
          Stream{});
      return;
    }
    if (const auto* rmsprop = std::get_if<RmspropRule>(&rule_)) {
      updates_.clear();
      for (const Parameter<T>& p : parameters_) {
        updates_.push_back({p.param,
                            p.grad->data(),
                            {p.first, p.second, p.third},
                            p.size,
                            T(learning_rate * p.decay)});
      }
      cpu::rmsprop_step(
          RmspropStep<T>{updates_.data(),
                         Index(updates_.size()),
                         {},
                         0,
                         {},
                         coefficients_of<T>(*rmsprop, learning_rate)},
          Stream{});
      return;
    }
    sgd_.clear();
    for (const Parameter<T>& p : parameters_) {
      sgd_.push_back({p.param, p.first, p.grad->data(), p.size,
                      T(learning_rate * p.decay)});
    }
    cpu::sgd_step(
        SgdStep<T>{sgd_.data(), Index(sgd_.size()),
                   coefficients_of<T>(std::get<SgdRule>(rule_), learning_rate)},
        Stream{});
  }

 private:
  Rule rule_;
  std::vector<Parameter<T>> parameters_;
  std::vector<AdamTensor<T>> adam_;
  std::vector<SgdTensor<T>> sgd_;
  std::vector<UpdateTensor<T>> updates_;
};

}  // namespace strop::step
