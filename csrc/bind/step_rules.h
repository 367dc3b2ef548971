#pragma once

#include "bind/loss.h"
#include "bind/optimizer.h"
#include "bind/samples.h"
#include "kernels/loss.h"
#include "kernels/softmax.h"
#include "step/loss.h"
#include "step/update.h"

// The loss and the rule of a step program from what strop.training says, and
// a check of its targets.

namespace strop::bind {

inline step::LossRule loss_of(const std::string& name, double setting) {
  using Kind = step::LossKind;
  if (name == "softmax_cross_entropy") {
    return {Kind::kSoftmax, PointwiseLoss::kMeanSquaredError, setting};
  }
  return {Kind::kPointwise, pointwise_loss_of(step_data::op, name), setting};
}

inline step::Rule rule_of(const py::dict& adam, const py::dict& sgd,
                          const py::dict& rmsprop) {
  if (rmsprop.size() > 0) {
    return RmspropRule{rmsprop["rho"].cast<double>(),
                       rmsprop["momentum"].cast<double>(),
                       rmsprop["eps"].cast<double>(), true};
  }
  if (adam.size() > 0) {
    return adam_rule(step_data::op, adam["beta1"].cast<double>(),
                     adam["beta2"].cast<double>(), adam["eps"].cast<double>(),
                     "hat", adam["bias_correction"].cast<bool>());
  }
  if (sgd.size() == 0) return SgdRule{};
  const double momentum = sgd["momentum"].cast<double>();
  return SgdRule{momentum, 0, sgd["nesterov"].cast<bool>(), true,
                 momentum != 0};
}

// A target of another length than its samples was changed since.
template <typename T>
void require_target(const step::Samples<T>& samples, const py::object& y,
                    Index units) {
  const Array a = borrow(step_data::op, "y", y);
  const Index wanted =
      samples.target != nullptr ? samples.size * units : samples.size;
  if (a.size() != wanted) raise_value(step_data::op, "y must fit the program");
}

}  // namespace strop::bind
