#pragma once

#include "kernels/embedding_bag.h"
#include "step/samples.h"

namespace strop::step {

// Embedding and mean of a table that is not trained, straight from the table.
template <typename T>
class Reader {
 public:
  Reader(const T* table, Index rows, Index width, bool has_pad, Index pad)
      : table_(table),
        rows_(rows),
        width_(width),
        has_pad_(has_pad),
        pad_(pad) {}

  const T* forward(const Samples<T>& samples, const Rows& rows) {
    const Ids ids = take_ids(samples.ids, samples.width, rows, wide_, narrow_);
    ids.wide ? check<std::int64_t>(ids, samples, rows)
             : check<std::int32_t>(ids, samples, rows);
    T* out = out_.at_least(rows.count * width_);
    cpu::embedding_bag(EmbeddingBag<T>{table_,
                                       {ids, nullptr, samples.width, rows.count,
                                        true, has_pad_, pad_},
                                       out,
                                       rows_,
                                       width_},
                       Stream{});
    return out;
  }

 private:
  template <typename Id>
  void check(const Ids& ids, const Samples<T>& samples, const Rows& rows) {
    if (all_in(static_cast<const Id*>(ids.data), ids.size, rows_)) return;
    throw first_bad(static_cast<const Id*>(samples.ids.data), samples.width,
                    rows, rows_);
  }

  const T* table_;
  Index rows_, width_;
  bool has_pad_;
  Index pad_;
  Buffer<std::int64_t> wide_;
  Buffer<std::int32_t> narrow_;
  Buffer<T> out_;
};

}  // namespace strop::step
