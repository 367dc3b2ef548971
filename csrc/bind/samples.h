#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "bind/array.h"
#include "step/samples.h"

// A data set for the step program: arrays that the layers have checked,
// borrowed for as long as the program reads them.

namespace strop::bind::step_data {

inline constexpr const char* op = "fit";

template <typename T>
inline constexpr DType kDType =
    sizeof(T) == 4 ? DType::kFloat32 : DType::kFloat64;

template <typename T>
Array floats(const char* name, py::handle object) {
  const Array a = borrow(op, name, object);
  if (a.dtype != kDType<T>) raise_type(op, "got a " + describe(a));
  return a;
}

template <typename T>
Array floats_or_none(const char* name, py::handle object) {
  return object.is_none() ? borrow_optional(op, name, object)
                          : floats<T>(name, object);
}

// A data set and the arrays that it borrows.
template <typename T>
struct SampleSet {
  step::Samples<T> samples;
  py::object x, y, weight;
};

template <typename Id>
std::vector<step::Ends> ends_of(const Array& ids, Index size, Index width) {
  std::vector<step::Ends> ends(size);
  const Id* data_ = data<const Id>(ids);
  for (Index i = 0; i < size; ++i) {
    ends[i] = step::ends_of(data_ + i * width, width);
  }
  return ends;
}

template <typename T>
std::unique_ptr<SampleSet<T>> samples_of(py::object x_object,
                                         py::object y_object,
                                         py::object weight_object) {
  auto set = std::make_unique<SampleSet<T>>();
  step::Samples<T>& s = set->samples;
  const Array x = borrow(op, "x", x_object);
  if (x.ndim < 2) require_ndim(op, x, 2);
  s.size = x.shape[0];
  s.width = 1;
  for (int i = 1; i < x.ndim; ++i) s.width *= x.shape[i];
  if (x.dtype == kDType<T>) {
    s.x = data<const T>(x);
  } else {
    require_ids(op, x);
    if (s.width > std::numeric_limits<std::int32_t>::max()) {
      raise_value(op, "x must have rows of less than 2^31 ids");
    }
    s.ids = ids_of(x);
    s.ends = s.ids.wide ? ends_of<std::int64_t>(x, s.size, s.width)
                        : ends_of<std::int32_t>(x, s.size, s.width);
  }
  const Array y = borrow_optional(op, "y", y_object);
  if (y.object && y.dtype == kDType<T>) {
    s.target = data<const T>(y);
  } else if (y.object) {
    require_ids(op, y);
    s.labels = ids_of(y);
  }
  const Array weight = floats_or_none<T>("sample_weight", weight_object);
  s.weight = data<const T>(weight);
  for (const Array* a : {&y, &weight}) {
    if (a->object && (a->ndim == 0 || a->shape[0] != s.size)) {
      raise_value(op, std::string(a->name) + " must have as many samples as x");
    }
  }
  set->x = std::move(x_object);
  set->y = std::move(y_object);
  set->weight = std::move(weight_object);
  return set;
}

}  // namespace strop::bind::step_data
