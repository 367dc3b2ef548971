#include "kernels/loss.h"

#include "bind/array.h"
#include "bind/backend.h"
#include "bind/loss.h"
#include "kernels/softmax.h"

namespace strop::bind {
namespace {

struct Name {
  const char* text;
  PointwiseLoss which;
};

constexpr Name kNames[] = {
    {"mean_squared_error", PointwiseLoss::kMeanSquaredError},
    {"mean_absolute_error", PointwiseLoss::kMeanAbsoluteError},
    {"binary_cross_entropy", PointwiseLoss::kBinaryCrossEntropy},
    {"mean_absolute_percentage_error",
     PointwiseLoss::kMeanAbsolutePercentageError},
    {"mean_squared_logarithmic_error",
     PointwiseLoss::kMeanSquaredLogarithmicError},
    {"huber", PointwiseLoss::kHuber},
    {"log_cosh", PointwiseLoss::kLogCosh},
    {"poisson", PointwiseLoss::kPoisson},
    {"hinge", PointwiseLoss::kHinge},
    {"squared_hinge", PointwiseLoss::kSquaredHinge},
    {"kl_divergence", PointwiseLoss::kKlDivergence},
};

}  // namespace

PointwiseLoss pointwise_loss_of(const char* op, const std::string& name) {
  std::string all;
  for (const Name& known : kNames) {
    if (name == known.text) return known.which;
    all += (all.empty() ? "" : ", ") + std::string(known.text);
  }
  raise_value(op, "name must be one of " + all + "; got '" + name + "'");
}

namespace {

// Rows and width of a loss: every axis but the last is a row.
struct Extents {
  Index rows, width;
};

Extents extents_of(const Array& a) {
  if (a.ndim < 2) return {a.size(), 1};
  Index rows = 1;
  for (int i = 0; i + 1 < a.ndim; ++i) rows *= a.shape[i];
  return {rows, a.shape[a.ndim - 1]};
}

void check_weight(const char* op, const Array& weight, const Array& pred,
                  Index rows) {
  if (weight.address == nullptr && !weight.object) return;
  require_dtype_like(op, weight, pred);
  if (weight.size() != rows) {
    raise_value(op, "sample_weight must have one value per row (" +
                        std::to_string(rows) + "); got shape " +
                        shape_text(weight.shape, weight.ndim));
  }
}

py::tuple pointwise(const std::string& name, const char* pred_name,
                    py::handle pred_object, py::handle target_object,
                    py::handle weight_object, py::handle out_probabilities,
                    double delta) {
  const PointwiseLoss which = pointwise_loss_of("pointwise_loss", name);
  const char* op = name.c_str();
  const Array pred = borrow(op, pred_name, pred_object);
  const Array target = borrow(op, "target", target_object);
  const Array weight = borrow_optional(op, "sample_weight", weight_object);
  const Array probabilities =
      borrow_optional(op, "probabilities", out_probabilities);
  require_float(op, pred);
  require_dtype_like(op, target, pred);
  require_same_shape(op, target, pred);
  const Extents e = extents_of(pred);
  check_weight(op, weight, pred, e.rows);
  if (probabilities.object) {
    require_dtype_like(op, probabilities, pred);
    require_same_shape(op, probabilities, pred);
    require_writable(op, probabilities);
    require_disjoint(op, probabilities, pred);
    require_disjoint(op, probabilities, target);
  }
  Queue queue(op, pred, target, weight, probabilities);
  py::object result = new_array(
      std::vector<Index>(pred.shape, pred.shape + pred.ndim), pred.dtype);
  const Array grad = borrow(op, "result", result);
  const Index size = pred.size();
  LossSum sum((size + kLossChunk - 1) / kLossChunk);
  visit_float(pred, [&](auto zero) {
    using T = decltype(zero);
    const PointwiseLossArgs<T> args{data<const T>(pred),
                                    data<const T>(target),
                                    data<const T>(weight),
                                    data<T>(grad),
                                    data<T>(probabilities),
                                    sum.parts(),
                                    e.rows,
                                    e.width,
                                    which,
                                    T(delta),
                                    sum.value()};
    const Release unlocked(size);
    backend::pointwise_loss(args, queue.stream());
  });
  return py::make_tuple(sum.over(double(adds_up(which) ? e.rows : size)),
                        result);
}

py::tuple pointwise_loss(const std::string& name, py::handle pred,
                         py::handle target, py::handle weight, double delta) {
  return pointwise(name, "pred", pred, target, weight, py::none(), delta);
}

py::tuple binary_cross_entropy(py::handle logits, py::handle target,
                               py::handle weight, py::handle probabilities) {
  return pointwise("binary_cross_entropy", "logits", logits, target, weight,
                   probabilities, 1);
}

// Labels outside [0, C) are data, not addresses of the user's making: a
// ValueError that says where.
void require_labels(const char* op, const Array& labels, Index classes,
                    bool has_ignore, Index ignore_class) {
  const Ids ids = ids_of(labels);
  const Index suspect = first_bad_id(ids, classes);
  if (suspect < 0) return;
  for (Index i = suspect; i < ids.size; ++i) {
    const Index label = id_at(ids, i);
    if (label >= 0 && label < classes) continue;
    if (has_ignore && label == ignore_class) continue;
    raise_value(op, "target must lie in [0, " + std::to_string(classes) +
                        ") for " + std::to_string(classes) + " classes; got " +
                        std::to_string(label) + " at sample " +
                        std::to_string(i));
  }
}

py::tuple softmax_cross_entropy(py::handle logits_object,
                                py::handle target_object,
                                py::handle weight_object,
                                py::handle ignore_class, double smoothing,
                                py::handle out_probabilities) {
  constexpr const char* op = "softmax_cross_entropy";
  const Array logits = borrow(op, "logits", logits_object);
  const Array target = borrow(op, "target", target_object);
  const Array weight = borrow_optional(op, "sample_weight", weight_object);
  const Array probabilities =
      borrow_optional(op, "probabilities", out_probabilities);
  require_float(op, logits);
  Queue queue(op, logits);
  if (logits.ndim < 2) require_ndim(op, logits, 2);
  const Extents e = extents_of(logits);
  const bool labels =
      target.dtype == DType::kInt32 || target.dtype == DType::kInt64;
  const bool has_ignore = !ignore_class.is_none();
  const Index ignored = has_ignore ? ignore_class.cast<Index>() : 0;
  if (labels) {
    if (target.size() != e.rows) {
      raise_value(op, "target must have one label per row (" +
                          std::to_string(e.rows) + "); got shape " +
                          shape_text(target.shape, target.ndim));
    }
    queue.add(target);
    require_labels(op, target, e.width, has_ignore, ignored);
  } else {
    require_dtype_like(op, target, logits);
    require_same_shape(op, target, logits);
  }
  check_weight(op, weight, logits, e.rows);
  if (probabilities.object) {
    require_dtype_like(op, probabilities, logits);
    require_same_shape(op, probabilities, logits);
    require_writable(op, probabilities);
    require_disjoint(op, probabilities, logits);
    require_disjoint(op, probabilities, target);
  }
  for (const Array* a : {&target, &weight, &probabilities}) queue.add(*a);
  py::object result =
      new_array(std::vector<Index>(logits.shape, logits.shape + logits.ndim),
                logits.dtype);
  if (!kOnDevice && e.rows == 0) return py::make_tuple(0.0, result);
  const Array grad = borrow(op, "result", result);
  double count = double(e.rows);
  if (labels && has_ignore && !kOnDevice) {
    Index kept = 0;
    const Ids ids = ids_of(target);
    for (Index i = 0; i < e.rows; ++i) kept += id_at(ids, i) != ignored;
    count = kept == 0 ? 1.0 : double(kept);
  }
  LossSum sum(
      cross_entropy_parts(e.rows, e.width, logits.dtype == DType::kFloat64));
  visit_float(logits, [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxCrossEntropy<T> args{data<const T>(logits),
                                      labels ? nullptr : data<const T>(target),
                                      labels ? ids_of(target) : Ids{},
                                      data<const T>(weight),
                                      data<T>(grad),
                                      data<T>(probabilities),
                                      sum.parts(),
                                      e.rows,
                                      e.width,
                                      1.0 / count,
                                      smoothing,
                                      has_ignore,
                                      ignored,
                                      sum.value()};
    const Release unlocked(logits.size());
    backend::softmax_cross_entropy(args, queue.stream());
  });
  return py::make_tuple(sum.over(count), result);
}

}  // namespace

void bind_loss(py::module_& m) {
  m.def("pointwise_loss", &pointwise_loss, "Loss and gradient by pred.",
        py::arg("name"), py::arg("pred"), py::arg("target"),
        py::arg("sample_weight") = py::none(), py::arg("delta") = 1.0);
  m.def("binary_cross_entropy", &binary_cross_entropy,
        "Loss and gradient by logits.", py::arg("logits"), py::arg("target"),
        py::arg("sample_weight") = py::none(),
        py::arg("probabilities") = py::none());
  m.def("softmax_cross_entropy", &softmax_cross_entropy,
        "Loss and gradient by logits.", py::arg("logits"), py::arg("target"),
        py::arg("sample_weight") = py::none(),
        py::arg("ignore_class") = py::none(), py::arg("label_smoothing") = 0.0,
        py::arg("probabilities") = py::none());
}

}  // namespace strop::bind
