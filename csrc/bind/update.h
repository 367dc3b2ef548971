#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "bind/backend.h"
#include "bind/bound_step.h"
#include "bind/optimizer.h"
#include "kernels/update.h"

// What the bindings of the rules share: checks of their settings, and the call
// of a kernel on lists of tensors or on rows of a table.

namespace strop::bind {

// What every step takes beside its states and its own settings. `rows`: None,
// or the rows of a table that have a gradient, each named once.
struct StepArguments {
  const char* op;
  py::handle param, grad, rows;
  StepNumbers numbers;
  py::handle weight_decay;
  double l2;
};

struct StateArgument {
  const char* name;
  py::handle arrays;
  bool optional = false;
};

using StateArguments = std::initializer_list<StateArgument>;

void check_betas(const char* op, double beta1, double beta2);
void check_rho(const char* op, double rho);
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

template <typename T, typename Rule>
auto coefficients(const Rule& rule, const StepNumbers& n) {
  if constexpr (Rule::kCounts) {
    return coefficients_of<T>(rule, n.step.number.value, n.rate());
  } else {
    return coefficients_of<T>(rule, n.rate());
  }
}

// Checks the arguments, then calls kernel(args, stream) with an UpdateStep by
// the rule.
template <template <typename> class Rule, typename Kernel>
void take_step(const StepArguments& a, StateArguments states,
               const typename Rule<double>::Settings& rule,
               const Kernel& kernel) {
  check_at_least_0(a.op, "l2", a.l2);
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
      t.weight_decay = arrays.decay[i];
      elements += lists[1][i].size();
    }
    if (elements == 0) return;
    const Ids rows = all ? Ids{} : ids_of(arrays.rows);
    const Index width = all ? 0 : row_width(lists[0][0]);
    run(queue, a.numbers,
        [tensors = std::move(tensors), rows, width, rule, l2 = a.l2, elements,
         kernel](const StepNumbers& n, Stream stream) mutable {
          for (UpdateTensor<T>& t : tensors) {
            t.decay = T(n.rate() * t.weight_decay);
          }
          Doubles room;
          const UpdateStep<T, Rule> args{tensors.data(),
                                         Index(tensors.size()),
                                         rows,
                                         width,
                                         Gradient<T>{T(n.scale()), T(l2)},
                                         coefficients<T>(rule, n),
                                         device_numbers(n, rule, l2, room)};
          const Release unlocked(elements);
          kernel(args, stream);
        });
  });
}

}  // namespace strop::bind
