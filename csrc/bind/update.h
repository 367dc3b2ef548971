#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "bind/backend.h"
#include "bind/optimizer.h"

// What the bindings of the rules share: checks of their settings, and the call
// of a kernel on lists of tensors or on rows of a table.

namespace strop::bind {

// What every step takes beside its states and its own settings. `rows`: None,
// or the rows of a table that have a gradient, each named once.
struct StepArguments {
  const char* op;
  py::handle param, grad, rows;
  double learning_rate;
  py::handle weight_decay;
  double l2, grad_scale;
};

struct StateArgument {
  const char* name;
  py::handle arrays;
  bool optional = false;
};

using StateArguments = std::initializer_list<StateArgument>;

void check_at_least_0(const char* op, const char* name, double value);
void check_betas(const char* op, double beta1, double beta2);
void check_rho(const char* op, double rho);
void check_first_step(const char* op, Index step);
bool keras_dialect(const char* op, const std::string& dialect);

// The arrays of a call, checked whole. `place[k]`: the list of state k, or -1.
struct StepArrays {
  TensorLists tensors;
  Array rows{};  // no object: all
  std::vector<int> place;
  std::vector<double> decay;
};

StepArrays step_arrays(const StepArguments& a, StateArguments states,
                       Queue& queue);

// Checks the arguments, then calls kernel(args, stream) with an UpdateStep
// whose coefficients are coefficients(T{}), worked out in double and rounded
// once.
template <template <typename> class Rule, typename Coefficients,
          typename Kernel>
void take_step(const StepArguments& a, StateArguments states,
               const Coefficients& coefficients, const Kernel& kernel) {
  const GradientSettings gradient(a.op, a.l2, a.grad_scale);
  Queue queue(a.op);
  const StepArrays arrays = step_arrays(a, states, queue);
  const auto& lists = arrays.tensors.lists;
  if (lists[0].empty()) return;
  const bool all = !arrays.rows.object;
  visit_float(lists[0][0], [&](auto zero) {
    using T = decltype(zero);
    std::vector<UpdateTensor<T>> tensors(lists[0].size());
    Index elements = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      UpdateTensor<T>& t = tensors[i];
      t.param = data<T>(lists[0][i]);
      t.grad = data<const T>(lists[1][i]);
      for (std::size_t k = 0; k < arrays.place.size(); ++k) {
        const int list = arrays.place[k];
        if (list >= 0) t.state[k] = data<T>(lists[list][i]);
      }
      t.size = lists[0][i].size();
      t.decay = T(a.learning_rate * arrays.decay[i]);
      elements += lists[1][i].size();
    }
    if (elements == 0) return;
    const UpdateStep<T, Rule> args{tensors.data(),
                                   Index(tensors.size()),
                                   all ? Ids{} : ids_of(arrays.rows),
                                   all ? 0 : row_width(lists[0][0]),
                                   gradient.as<T>(),
                                   coefficients(zero)};
    const Release unlocked(elements);
    kernel(args, queue.stream());
  });
}

}  // namespace strop::bind
