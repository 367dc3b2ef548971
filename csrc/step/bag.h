#pragma once

#include <algorithm>

#include "kernels/embedding_bag.h"
#include "step/samples.h"
#include "step/table.h"
#include "step/unique_ids.h"

namespace strop::step {

// Embedding and the mean over a sample's ids, in one. A training step copies
// the rows that its batch reads into a compact table that stays in cache, and
// both passes work on places in that.
template <typename T>
class Bag {
 public:
  Bag(std::unique_ptr<Table<T>> table, bool has_pad, Index pad)
      : table_(std::move(table)),
        has_pad_(has_pad),
        pad_(pad),
        unique_ids_(table_->rows) {}

  Index width() const { return table_->width; }

  // (N, T) ids to (N, D) means.
  const T* forward(const Samples<T>& samples, const Rows& rows) {
    count_ = rows.count;
    ids_width_ = samples.width;
    samples.ids.wide ? read<std::int64_t>(samples, rows, wide_)
                     : read<std::int32_t>(samples, rows, narrow_);
    const Ids unique{unique_.data(), found_, true};
    T* compact = compact_.at_least(found_ * width());
    table_->gather(unique, compact);
    pad_slot_ = -1;
    if (has_pad_) {
      auto* end = unique_.data() + found_;
      auto* at = std::find(unique_.data(), end, pad_);
      if (at != end) pad_slot_ = at - unique_.data();
    }
    T* out = out_.at_least(count_ * width());
    cpu::embedding_bag(EmbeddingBag<T>{compact, bags(), out, found_, width()},
                       Stream{});
    return out;
  }

  // Trains the rows that were read with the gradient by the means.
  void backward(const T* grad) {
    values_.at_least(found_ * width());
    cpu::embedding_bag_scatter(
        EmbeddingBagScatter<T>{grad, bags(), values_.data(), found_, width()},
        Stream{});
    trained_ = found_;
    if (pad_slot_ < 0) return;
    // Padding has no gradient: the last row takes its place in the list.
    --trained_;
    unique_.data()[pad_slot_] = unique_.data()[trained_];
    for (T* rows : {values_.data(), compact_.data()}) {
      std::copy_n(rows + trained_ * width(), width(),
                  rows + pad_slot_ * width());
    }
  }

  void step(double learning_rate) {
    table_->step({unique_.data(), trained_, true}, compact_.data(),
                 values_.data(), learning_rate);
  }

 private:
  Bags bags() {
    return {{slots_.data(), count_ * ids_width_, false},
            nullptr,
            ids_width_,
            count_,
            true,
            pad_slot_ >= 0,
            pad_slot_};
  }

  // The unique ids of the batch, and each id's place among them. Of the runs
  // at the ends of a sample one id is looked up.
  template <typename Id>
  void read(const Samples<T>& samples, const Rows& rows, Buffer<Id>& buffer) {
    const Id* ids = static_cast<const Id*>(samples.ids.data);
    const Index width = samples.width;
    Id* list = buffer.at_least(rows.count * width);
    Index n = 0;
    for (Index i = 0; i < rows.count; ++i) {
      const Id* sample = ids + rows.at(i) * width;
      const Ends& ends = samples.ends[rows.at(i)];
      const Index inner = width - ends.front - ends.back + (ends.back > 0);
      if (width > 0) list[n++] = sample[0];
      __builtin_memcpy(list + n, sample + ends.front, inner * sizeof(Id));
      n += inner;
    }
    if (!all_in(list, n, table_->rows)) {
      throw first_bad(ids, width, rows, table_->rows);
    }
    unique_.at_least(std::min(n, table_->rows) + 1);
    std::int32_t* places = places_.at_least(n);
    found_ =
        unique_ids_.find({list, n, sizeof(Id) == 8}, unique_.data(), places);
    std::int32_t* slots = slots_.at_least(rows.count * width);
    for (Index i = 0; i < rows.count && width > 0; ++i) {
      const Ends& ends = samples.ends[rows.at(i)];
      const Index inner = width - ends.front - ends.back;
      slots = std::fill_n(slots, ends.front, *places++);
      slots = std::copy_n(places, inner, slots);
      places += inner;
      if (ends.back > 0) slots = std::fill_n(slots, ends.back, *places++);
    }
  }

  std::unique_ptr<Table<T>> table_;
  bool has_pad_;
  Index pad_;
  UniqueIds unique_ids_;
  Index count_ = 0, ids_width_ = 0, found_ = 0, trained_ = 0, pad_slot_ = -1;
  Buffer<std::int32_t> narrow_, places_, slots_;
  Buffer<std::int64_t> wide_, unique_;
  Buffer<T> compact_, values_, out_;
};

}  // namespace strop::step
