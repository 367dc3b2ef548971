#pragma once

#include "kernels/sgd.h"
#include "kernels/update.h"
#include "step/linear_clock.h"
#include "step/table.h"
#include "step/update.h"

namespace strop::step {

// Rows without a gradient are behind, under SGD with momentum or RMSprop.
template <typename T>
class DeferredLinearTable : public Table<T> {
 public:
  // `rule_states`: the arrays as the rule's kernel takes them, some null.
  DeferredLinearTable(const LinearTable<T>& table, LinearClock& clock,
                      const Rule& rule, const UpdateTensor<T>& rule_states,
                      double push, double weight_decay)
      : Table<T>(table.param, table.rows, table.width),
        table_(table),
        clock_(clock),
        rule_(rule),
        tensor_(rule_states),
        push_(push),
        weight_decay_(weight_decay) {}

  void gather(const Ids& rows, T* compact) override {
    clock_.peek(table_, rows, compact);
  }

  void step(const Ids& rows, const T*, const T* grad,
            double learning_rate) override {
    if (clock_.full()) flush();
    clock_.catch_up(table_, rows);
    update(rows, grad, learning_rate);
    clock_.advance(push_, learning_rate * weight_decay_);
    for (Index i = 0; i < rows.size; ++i) {
      table_.last[static_cast<const std::int64_t*>(rows.data)[i]] =
          clock_.last();
    }
  }

 private:
  void flush() {
    clock_.catch_up(table_, Ids{nullptr, this->rows, false});
    clock_.restart(clock_.last());
  }

  void update(const Ids& rows, const T* grad, double learning_rate) {
    if (const auto* rmsprop = std::get_if<RmspropRule>(&rule_)) {
      tensor_.grad = grad;
      tensor_.decay = T(learning_rate * weight_decay_);
      cpu::rmsprop_step(
          RmspropStep<T>{&tensor_,
                         1,
                         rows,
                         this->width,
                         {},
                         coefficients_of<T>(*rmsprop, learning_rate)},
          Stream{});
      return;
    }
    cpu::sgd_rows(SgdRows<T>{this->param, tensor_.state[0], grad, rows,
                             this->width, this->width,
                             coefficients_of<T>(std::get<SgdRule>(rule_),
                                                learning_rate, weight_decay_)},
                  Stream{});
  }

  LinearTable<T> table_;
  LinearClock& clock_;
  Rule rule_;
  UpdateTensor<T> tensor_;
  double push_, weight_decay_;
};

}  // namespace strop::step
