#pragma once

#include <chrono>
#include <optional>

#include "step/bag.h"
#include "step/dense.h"
#include "step/loss.h"
#include "step/reader.h"
#include "step/update.h"

namespace strop::step {

// The steps of a model without Python between them: the very kernels, in the
// order and on the numbers of the layers one by one, so that the bits agree.
// Memory is kept from step to step; pointers are the caller's and must live.
template <typename T>
class Program {
 public:
  Program(const LossRule& loss, const Rule& rule)
      : loss_(loss), update_(rule) {}

  // The first layer, if it reads ids: trained, or only read.
  void set(std::unique_ptr<Bag<T>> bag) { bag_ = std::move(bag); }
  void set(std::unique_ptr<Reader<T>> reader) { reader_ = std::move(reader); }

  Dense<T>& add(std::unique_ptr<Dense<T>> layer, bool trained) {
    layers_.push_back(std::move(layer));
    if (trained && first_trained_ < 0) first_trained_ = layers_.size() - 1;
    return *layers_.back();
  }
  void train_parameter(const Parameter<T>& p) { update_.add(p); }

  Index outputs() const { return layers_.back()->units(); }

  // What one call works through: batches of `batch` of the samples from
  // `begin` to `end` of the order.
  struct Stretch {
    const std::int64_t* order;  // or null
    Index begin, end, batch;
    double* losses;  // one per batch, or null
    T* output;       // (end - begin, outputs()): before the step
  };

  // Trains batch after batch, each at its rate, until all are done or `limit`
  // has passed; returns how many. `steps` counts those of all calls.
  Index train(const Samples<T>& samples, const Stretch& s, const double* rates,
              std::chrono::nanoseconds limit) {
    const auto start = std::chrono::steady_clock::now();
    Index done = 0;
    for (Index at = s.begin; at < s.end; at += s.batch, ++done) {
      if (done > 0 && std::chrono::steady_clock::now() - start > limit) break;
      const Rows rows{s.order, at, std::min(s.batch, s.end - at)};
      s.losses[done] = train_step(samples, rows, rates[done],
                                  s.output + (at - s.begin) * outputs());
      ++steps;
    }
    return done;
  }

  // The same without training; without losses only the output is worked out.
  Index evaluate(const Samples<T>& samples, const Stretch& s,
                 std::chrono::nanoseconds limit) {
    const auto start = std::chrono::steady_clock::now();
    Index done = 0;
    for (Index at = s.begin; at < s.end; at += s.batch, ++done) {
      if (done > 0 && std::chrono::steady_clock::now() - start > limit) break;
      const Rows rows{s.order, at, std::min(s.batch, s.end - at)};
      const T* output = forward(samples, rows);
      std::copy_n(output, rows.count * outputs(),
                  s.output + (at - s.begin) * outputs());
      if (s.losses != nullptr) {
        s.losses[done] = loss_.value(output, outputs(), samples, rows);
      }
    }
    return done;
  }

  Index steps = 0;  // taken so far, by this and earlier programs

 private:
  const T* forward(const Samples<T>& samples, const Rows& rows) {
    const T* x = bag_      ? bag_->forward(samples, rows)
                 : reader_ ? reader_->forward(samples, rows)
                           : take(samples.x, samples.width, rows, x_);
    for (const auto& layer : layers_) x = layer->forward(x, rows.count);
    return x;
  }

  double train_step(const Samples<T>& samples, const Rows& rows, double rate,
                    T* kept) {
    const T* output = forward(samples, rows);
    std::copy_n(output, rows.count * outputs(), kept);
    const double loss = loss_.value(output, outputs(), samples, rows);
    const T* grad = loss_.grad();
    const Index first = bag_ ? 0 : first_trained_;
    for (Index i = layers_.size() - 1; i >= first && first >= 0; --i) {
      grad = layers_[i]->backward(grad, rows.count, bag_ || i > first);
    }
    if (bag_) bag_->backward(grad);
    update_.step(steps + 1, rate);
    if (bag_) bag_->step(rate);
    return loss;
  }

  std::unique_ptr<Bag<T>> bag_;
  std::unique_ptr<Reader<T>> reader_;
  std::vector<std::unique_ptr<Dense<T>>> layers_;
  Index first_trained_ = -1;  // the first layer that is
  Loss<T> loss_;
  Update<T> update_;
  Buffer<T> x_;
};

}  // namespace strop::step
