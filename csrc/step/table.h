#pragma once

#include <algorithm>

#include "kernels/adam.h"
#include "kernels/deferred_adam.h"
#include "kernels/embedding.h"
#include "kernels/sgd.h"
#include "step/adam_clock.h"
#include "step/memory.h"

namespace strop::step {

// A table of which a step reads and trains some rows, each named once.
template <typename T>
class Table {
 public:
  Table(T* param, Index rows, Index width)
      : param(param), rows(rows), width(width) {}
  virtual ~Table() = default;

  // Copies of rows, up to date, to `compact` (R, D). The table is only read.
  virtual void gather(const Ids& rows, T* compact) = 0;

  // Takes one step with the gradient of these rows, (R, D), of which `compact`
  // holds what gather gave.
  virtual void step(const Ids& rows, const T* compact, const T* grad,
                    double learning_rate) = 0;

  T* const param;  // (V, D)
  const Index rows, width;
};

// Rows without a gradient stand still, as they do under plain descent.
template <typename T>
class SgdTable : public Table<T> {
 public:
  using Table<T>::Table;

  void gather(const Ids& rows, T* compact) override {
    cpu::embedding_lookup(
        EmbeddingLookup<T>{this->param, rows, compact, this->rows, this->width},
        Stream{});
  }

  void step(const Ids& rows, const T*, const T* grad,
            double learning_rate) override {
    const SgdRule plain{0, 0, false, true, false};
    cpu::sgd_rows(
        SgdRows<T>{this->param, nullptr, grad, rows, this->width, this->width,
                   coefficients_of<T>(plain, learning_rate)},
        Stream{});
  }
};

// A table under Adam and its state.
template <typename T>
struct AdamTable {
  T* param;  // (V, D), as the moments
  T* moment1;
  T* moment2;
  T* max_moment2;      // or null
  std::int32_t* last;  // (V): the step that each row holds
  Index rows, width;   // V, D
};

// In the torch form an early row whose roots are as small as eps is replayed:
// there e_n still changes quickly and the expansion is off by up to 10 %.
inline constexpr std::int32_t kReplayBefore = 300;

// Half a core's share of L3. Prefetching costs 10-50 % while the table is in
// cache and halves the time when it is not.
inline constexpr Index kCached = Index{8} << 20;

// What brings rows, or all of them where no ids are given, to the clock's step.
template <typename T, typename Clock>
DeferredAdamCatchUp<T> catch_up_args(const AdamTable<T>& t, const Ids& rows,
                                     const Clock& clock) {
  const Index bytes = t.rows * t.width * Index{sizeof(T)};
  return {t.param,
          t.moment1,
          t.moment2,
          t.max_moment2,
          t.last,
          rows,
          nullptr,
          false,
          t.width,
          t.width,
          clock.last(),
          rows.data != nullptr && 3 * bytes > kCached,
          10 * clock.rule().eps,
          clock.moving_eps() ? kReplayBefore : 0,
          false,
          clock.template history<T>(),
          t.rows};
}

// Rows without a gradient are behind. What reads them gets caught-up copies;
// they are brought up to date themselves when they have a gradient.
template <typename T>
class DeferredAdamTable : public Table<T> {
 public:
  DeferredAdamTable(const AdamTable<T>& table, AdamClock& clock,
                    double weight_decay)
      : Table<T>(table.param, table.rows, table.width),
        table_(table),
        clock_(clock),
        weight_decay_(weight_decay) {}

  void gather(const Ids& rows, T* compact) override {
    DeferredAdamCatchUp<T> args = catch_up_args(table_, rows, clock_);
    args.gathered = compact;
    args.peek = true;
    cpu::deferred_adam_catch_up(args, Stream{});
  }

  void step(const Ids& rows, const T* compact, const T* grad,
            double learning_rate) override {
    // Where most rows are touched, or where the missed step would have no
    // closed form, all rows move now.
    const bool many = double(rows.size) > kDenseShare * double(this->rows);
    const bool closed = learning_rate >= 0 && learning_rate * weight_decay_ < 1;
    if (many || !closed) return dense_step(rows, grad, learning_rate);
    if (clock_.full()) flush();
    cpu::deferred_adam_step(
        DeferredAdamStep<T>{catch_up_args(table_, rows, clock_), compact, grad,
                            adam_coefficients(learning_rate)},
        Stream{});
    clock_.advance(learning_rate, weight_decay_);
  }

 private:
  static constexpr double kDenseShare = 0.6;

  void flush() {
    if (clock_.last() == clock_.base()) return;
    const Ids all{nullptr, this->rows, false};
    cpu::deferred_adam_catch_up(catch_up_args(table_, all, clock_), Stream{});
    clock_.restart(clock_.last());
  }

  void dense_step(const Ids& rows, const T* grad, double learning_rate) {
    flush();
    const Index size = this->rows * this->width;
    T* dense = dense_.at_least(size);
    std::fill_n(dense, size, T(0));
    for (Index i = 0; i < rows.size; ++i) {
      const Index id = static_cast<const std::int64_t*>(rows.data)[i];
      __builtin_memcpy(dense + id * this->width, grad + i * this->width,
                       this->width * sizeof(T));
    }
    const AdamTensor<T> tensor{this->param,
                               table_.moment1,
                               table_.moment2,
                               table_.max_moment2,
                               dense,
                               size,
                               T(learning_rate * weight_decay_)};
    const std::int32_t number = clock_.last() + 1;
    cpu::adam_step(AdamStep<T>{&tensor, 1, adam_coefficients(learning_rate)},
                   Stream{});
    std::fill_n(table_.last, this->rows, number);
    clock_.restart(number);
  }

  AdamCoefficients<T> adam_coefficients(double learning_rate) const {
    return coefficients_of<T>(clock_.rule(), clock_.last() + 1, learning_rate,
                              weight_decay_);
  }

  AdamTable<T> table_;
  AdamClock& clock_;
  double weight_decay_;
  Buffer<T> dense_;
};

}  // namespace strop::step
