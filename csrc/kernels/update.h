#pragma once

#include "kernels/base.h"
#include "math/adadelta.h"
#include "math/adagrad.h"
#include "math/adamax.h"
#include "math/gradient.h"
#include "math/lion.h"
#include "math/nadam.h"
#include "math/radam.h"
#include "math/rmsprop.h"
#include "math/rprop.h"

namespace strop {

// One parameter tensor of a step by a rule that works element by element. The
// parameter and the states are updated; no two arrays overlap. `state` has the
// arrays in the order of the rule's header, null where it has none.
template <typename T>
struct UpdateTensor {
  T* param;
  const T* grad;
  T* state[3];
  Index size;
  T decay;  // decoupled: the share of the parameter that is lost
  double weight_decay = 0;
};

// A step on many tensors in one call. With `rows` it moves these rows (R), each
// named once, of the one tensor (V, D), whose `grad` then is (R, D).
template <typename T, template <typename> class Rule>
struct UpdateStep {
  const UpdateTensor<T>* tensors;
  Index count;
  Ids rows;     // null data: all
  Index width;  // D, of rows
  Gradient<T> gradient;
  Rule<T> rule;
  DeviceNumbers<typename Rule<T>::Settings> numbers = {};
};

// name of the kernel, its rule in math/, and a name for UpdateStep of that.
#define STROP_UPDATE_RULES(Y, X)              \
  Y(X, adadelta_step, Adadelta, AdadeltaStep) \
  Y(X, adagrad_step, Adagrad, AdagradStep)    \
  Y(X, adamax_step, Adamax, AdamaxStep)       \
  Y(X, lion_step, Lion, LionStep)             \
  Y(X, nadam_step, Nadam, NadamStep)          \
  Y(X, radam_step, Radam, RadamStep)          \
  Y(X, rmsprop_step, Rmsprop, RmspropStep)    \
  Y(X, rprop_step, Rprop, RpropStep)

#define STROP_UPDATE_ALIAS(X, name, Rule, Step) \
  template <typename T>                         \
  using Step = UpdateStep<T, Rule>;
STROP_UPDATE_RULES(STROP_UPDATE_ALIAS, )
#undef STROP_UPDATE_ALIAS

#define STROP_UPDATE_KERNEL(X, name, Rule, Step) X(name, Step)
#define STROP_UPDATE_KERNELS(X) STROP_UPDATE_RULES(STROP_UPDATE_KERNEL, X)

STROP_DECLARE_KERNELS(STROP_UPDATE_KERNELS, STROP_DECLARE)

}  // namespace strop
