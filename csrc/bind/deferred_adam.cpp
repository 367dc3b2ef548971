#include "math/deferred_adam.h"

#include <pybind11/stl.h>

#include <cmath>

#include "bind/backend.h"
#include "bind/optimizer.h"

namespace strop::bind {
namespace {

struct Rule {
  double beta1, beta2, eps;
  bool hat, bias_correction, amsgrad;
};

// The steps since `base`, and what they did to a row without a gradient. Grows
// by one entry a step; nothing is kept per row.
class AdamClock {
 public:
  AdamClock(double beta1, double beta2, double eps, bool hat,
            bool bias_correction, bool amsgrad, int degree, int window)
      : rule_{beta1, beta2, eps, hat, bias_correction, amsgrad},
        degree_(degree),
        window_(window) {}

  // For a float32 table. Its dense kernel decays by the betas as float32 has
  // them; with the exact 0.999 the second moment would drift by 1.8e-5 in 1,500
  // steps.
  void use_float32() { narrow_ = true; }

  // Forgets everything; the next step is base + 1.
  void restart(std::int32_t base) {
    base_ = base;
    for (auto* list : {&steps_, &coefficients_, &centre_, &log_decay_, &power1_,
                       &power2_, &shrink_}) {
      list->clear();
    }
    const double b1 = narrow_ ? double(float(rule_.beta1)) : rule_.beta1;
    const double b2 = narrow_ ? double(float(rule_.beta2)) : rule_.beta2;
    for (int j = 0; j <= window_; ++j) {
      power1_.push_back(std::pow(b1, j));
      power2_.push_back(std::pow(b2, j));
      shrink_.push_back(rule_.amsgrad ? 0 : 1 - std::pow(b2, 0.5 * j));
    }
    decays_ = false;
    append({0, 1, 0, 0});
  }

  // Takes step number `last + 1` with its learning rate and decoupled decay.
  void advance(double learning_rate, double weight_decay) {
    const double n = double(last()) + 1;
    const double c1 = rule_.bias_correction ? 1 - std::pow(rule_.beta1, n) : 1;
    const double root = correction(n);
    const double share = learning_rate * weight_decay;
    const double decay = narrow_ ? double(float(share)) : share;
    decays_ = decays_ || decay != 0;
    append({learning_rate / c1, 1 / root,
            rule_.hat ? rule_.eps / root : rule_.eps, decay});
    const DeferredAdamAdvance step{coefficients_.data(),
                                   centre_.data(),
                                   power1_.data(),
                                   shrink_.data(),
                                   learning_rate * root / c1,
                                   decay,
                                   rule_.hat ? rule_.eps : rule_.eps * root,
                                   Index(centre_.size()) - 1,
                                   window_,
                                   degree_};
    cpu::deferred_adam_advance(step);
  }

  std::int32_t base() const { return base_; }
  std::int32_t last() const { return base_ + std::int32_t(centre_.size()) - 1; }
  int degree() const { return degree_; }
  int window() const { return window_; }
  bool torch_form() const { return !rule_.hat; }
  double eps() const { return rule_.eps; }

  AdamHistory history() const {
    return {steps_.data(),
            coefficients_.data(),
            centre_.data(),
            log_decay_.data(),
            power1_.data(),
            power2_.data(),
            narrow_ ? double(float(rule_.beta1)) : rule_.beta1,
            narrow_ ? double(float(rule_.beta2)) : rule_.beta2,
            base_,
            window_,
            degree_,
            decays_};
  }

  // C_0 ... C_P of the gap from step s to now, for tests.
  std::vector<double> coefficients(std::int32_t s) const {
    const auto first = coefficients_.begin() + (s - base_) * (degree_ + 1);
    return std::vector<double>(first, first + degree_ + 1);
  }

 private:
  double correction(double n) const {
    return rule_.bias_correction ? std::sqrt(1 - std::pow(rule_.beta2, n)) : 1;
  }

  void append(std::initializer_list<double> step) {
    const double s = base_ + double(centre_.size());
    steps_.insert(steps_.end(), step);
    coefficients_.insert(coefficients_.end(), degree_ + 1, 0.0);
    // The expansion is best about the e_n of the steps that weigh most.
    const double h = std::round(1 / (1 - rule_.beta1));
    centre_.push_back(rule_.hat ? rule_.eps : rule_.eps * correction(s + h));
    log_decay_.push_back((log_decay_.empty() ? 0 : log_decay_.back()) +
                         std::log1p(-*(step.end() - 1)));
  }

  Rule rule_;
  int degree_;
  std::int32_t window_;
  bool narrow_ = false;
  bool decays_ = false;
  std::int32_t base_ = 0;
  std::vector<double> steps_, coefficients_, centre_, log_decay_, power1_,
      power2_, shrink_;
};

// In the torch form an early row whose roots are as small as eps is replayed:
// there e_n still changes quickly and the expansion is off by up to 10 %.
constexpr std::int32_t kReplayBefore = 300;

py::object catch_up(const AdamClock& clock, py::handle param,
                    py::handle moment1, py::handle moment2,
                    py::handle max_moment2, py::handle last_object,
                    py::handle rows_object, bool gather, bool replay) {
  constexpr const char* op = "deferred_adam_catch_up";
  const Array p = borrow(op, "param", param);
  const Array m = borrow(op, "moment1", moment1);
  const Array v = borrow(op, "moment2", moment2);
  const Array maximum = borrow_optional(op, "max_moment2", max_moment2);
  const Array last = borrow(op, "last", last_object);
  require_float(op, p);
  require_ndim(op, p, 2);
  for (const Array* a : {&p, &m, &v}) {
    require_dtype_like(op, *a, p);
    require_same_shape(op, *a, p);
    require_writable(op, *a);
  }
  if (last.dtype != DType::kInt32) {
    raise_type(op, "last must be int32; got a " + describe(last));
  }
  require_shape(op, last, {p.shape[0]});
  Ids ids{nullptr, p.shape[0], false};
  const Array rows = borrow_optional(op, "rows", rows_object);
  if (rows.object) {
    require_ids(op, rows);
    require_ids_in(op, rows, p.shape[0]);
    ids = ids_of(rows);
  }
  const Index width = p.shape[1];
  py::object result = py::none();
  if (gather) result = new_array({ids.size, width}, p.dtype);
  const Array out = borrow_optional(op, "result", result);
  visit_float(p, [&](auto zero) {
    using T = decltype(zero);
    const DeferredAdamCatchUp<T> args{data<T>(p),
                                      data<T>(m),
                                      data<T>(v),
                                      data<const T>(maximum),
                                      data<std::int32_t>(last),
                                      ids,
                                      data<T>(out),
                                      width,
                                      clock.last(),
                                      replay ? HUGE_VAL : 10 * clock.eps(),
                                      replay               ? INT32_MAX
                                      : clock.torch_form() ? kReplayBefore
                                                           : std::int32_t{0},
                                      clock.history()};
    py::gil_scoped_release unlocked;
    backend::deferred_adam_catch_up(args, Stream{});
  });
  return result;
}

}  // namespace

void bind_deferred_adam(py::module_& m) {
  py::class_<AdamClock>(m, "AdamClock",
                        "The steps that rows without a gradient have missed.")
      .def(py::init<double, double, double, bool, bool, bool, int, int>(),
           py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("hat"),
           py::arg("bias_correction"), py::arg("amsgrad"), py::arg("degree"),
           py::arg("window"))
      .def("use_float32", &AdamClock::use_float32)
      .def("restart", &AdamClock::restart, py::arg("base"))
      .def("advance", &AdamClock::advance, py::arg("learning_rate"),
           py::arg("weight_decay"))
      .def("coefficients", &AdamClock::coefficients, py::arg("step"))
      .def_property_readonly("base", &AdamClock::base)
      .def_property_readonly("last", &AdamClock::last)
      .def_property_readonly("degree", &AdamClock::degree)
      .def_property_readonly("window", &AdamClock::window);
  m.def("deferred_adam_catch_up", &catch_up,
        "Rows brought up to the clock's last step.", py::arg("clock"),
        py::kw_only(), py::arg("param"), py::arg("moment1"), py::arg("moment2"),
        py::arg("max_moment2") = py::none(), py::arg("last"),
        py::arg("rows") = py::none(), py::arg("gather") = false,
        py::arg("replay") = false);
}

}  // namespace strop::bind
