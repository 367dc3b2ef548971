#include "math/compact_adam.h"

#include "bind/backend.h"
#include "bind/optimizer.h"
#include "kernels/adam.h"
#include "kernels/compact_adam.h"

namespace strop::bind {
namespace {

constexpr const char* op = "compact_adam_step";

// How a parameter is cut into rows: along its first axis, and a vector, whose
// rows would be numbers, not at all.
Index rows_of(const Array& param) {
  return param.ndim < 2 ? 1 : param.shape[0];
}

Index width_of(const Array& param) {
  return param.ndim < 2 ? param.size() : row_width(param);
}

// The dtype of the moments says how they are kept; both are kept alike.
void check_moments(const Array& param, const Array& moment1,
                   const Array& moment2) {
  const bool packed = moment1.dtype == DType::kUint8;
  if (!packed && moment1.dtype != DType::kUint16) {
    if (moment1.dtype != DType::kFloat32) {
      raise_type(op, std::string(moment1.name) +
                         " must be float32, uint16 (bfloat16) or uint8 (8 "
                         "bits in blocks); got a " +
                         describe(moment1));
    }
  }
  require_dtype_like(op, moment2, moment1);
  for (const Array* moment : {&moment1, &moment2}) {
    if (packed) {
      require_shape(op, *moment,
                    {rows_of(param), packed_width(width_of(param))});
    } else {
      require_same_shape(op, *moment, param);
    }
    require_writable(op, *moment);
  }
}

MomentFormat format_of(const Array& moment) {
  return moment.dtype == DType::kUint8 ? MomentFormat::kBlocks8
                                       : MomentFormat::kBfloat16;
}

struct Settings {
  AdamRule rule;
  StepNumbers numbers;
  double l2;
  Doubles room;
  DeviceNumbers<AdamRule> device;

  Settings(py::handle learning_rate, py::handle step, double beta1,
           double beta2, double eps, const std::string& eps_mode,
           bool bias_correction, double l2, py::handle grad_scale)
      : rule(adam_rule(op, beta1, beta2, eps, eps_mode, bias_correction)),
        numbers(numbers_of(op, learning_rate, step, grad_scale)),
        l2(l2) {
    check_at_least_0(op, "l2", l2);
  }

  // Takes memory, so when all has been checked.
  void put_on(Queue& queue) {
    numbers.add_to(queue);
    device = device_numbers(numbers, rule, l2, room);
  }
  std::uint32_t key() const { return key_of(numbers.step.number.value); }
  Gradient<float> gradient() const {
    return {float(numbers.scale()), float(l2)};
  }
  AdamCoefficients<float> coefficients(double decay = 0) const {
    return coefficients_of<float>(rule, numbers.step.number.value,
                                  numbers.rate(), decay);
  }
};

void compact_adam_step(py::handle param, py::handle grad, py::handle moment1,
                       py::handle moment2, py::handle learning_rate,
                       py::handle step, double beta1, double beta2, double eps,
                       const std::string& eps_mode, py::handle weight_decay,
                       bool bias_correction, double l2, py::handle grad_scale) {
  Settings s(learning_rate, step, beta1, beta2, eps, eps_mode, bias_correction,
             l2, grad_scale);
  TensorLists t;
  t.add(op, "param", param);
  t.add(op, "grad", grad);
  TensorLists moments;
  moments.add(op, "moment1", moment1);
  moments.add(op, "moment2", moment2);
  const std::size_t count = t.lists[0].size();
  for (const Array& a : t.lists[0]) require_float32(op, a);
  check_lists(op, t);
  for (const std::vector<Array>& list : moments.lists) {
    require_count(op, list, count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    check_moments(t.lists[0][i], moments.lists[0][i], moments.lists[1][i]);
  }
  const std::vector<double> decay = decays(op, weight_decay, count);
  t.lists.insert(t.lists.end(), moments.lists.begin(), moments.lists.end());
  require_all_disjoint(op, t);
  Queue queue(op);
  add_all(queue, t);
  std::vector<AdamTensor<float>> full;
  std::vector<CompactAdamTensor> compact[2];
  Index elements = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Array& p = t.lists[0][i];
    const auto* g = data<const float>(t.lists[1][i]);
    const Array& first = moments.lists[0][i];
    const Array& second = moments.lists[1][i];
    const auto lost = float(s.numbers.rate() * decay[i]);
    elements += p.size();
    if (first.dtype == DType::kFloat32) {
      full.push_back({data<float>(p), data<float>(first), data<float>(second),
                      nullptr, g, p.size(), lost, decay[i]});
    } else {
      compact[int(format_of(first))].push_back(
          {data<float>(p), first.address, second.address, g, p.size(),
           rows_of(p), width_of(p), lost, decay[i]});
    }
  }
  s.put_on(queue);
  const Release unlocked(elements);
  if (!full.empty()) {
    backend::adam_step(
        AdamStep<float>{full.data(), Index(full.size()), s.coefficients(),
                        s.gradient(), s.device},
        queue.stream());
  }
  for (const auto format : {MomentFormat::kBfloat16, MomentFormat::kBlocks8}) {
    const auto& list = compact[int(format)];
    if (list.empty()) continue;
    backend::compact_adam_step(
        CompactAdamStep<float>{list.data(), Index(list.size()), format, s.key(),
                               s.coefficients(), s.gradient(), s.device},
        queue.stream());
  }
}

void compact_adam_rows(py::handle param, py::handle grad,
                       py::handle rows_object, py::handle moment1,
                       py::handle moment2, py::handle learning_rate,
                       py::handle step, double beta1, double beta2, double eps,
                       const std::string& eps_mode, double weight_decay,
                       bool bias_correction, double l2, py::handle grad_scale) {
  Settings s(learning_rate, step, beta1, beta2, eps, eps_mode, bias_correction,
             l2, grad_scale);
  const Array p = borrow(op, "param", param);
  const Array first = borrow(op, "moment1", moment1);
  const Array second = borrow(op, "moment2", moment2);
  const Array g = borrow(op, "grad", grad);
  const Array rows = borrow(op, "rows", rows_object);
  Queue queue(op);
  add_all(queue, {p, first, second}, g, rows);
  require_float32(op, p);
  check_rows(op, {p}, g, rows);
  check_moments(p, first, second);
  if (first.dtype == DType::kUint8 && p.ndim < 2) {
    raise_type(op,
               "grad must be an array where 8-bit moments are of a vector; got "
               "a RowGrad");
  }
  require_disjoint(op, first, p);
  require_disjoint(op, second, p);
  require_disjoint(op, second, first);
  require_disjoint(op, g, first);
  require_disjoint(op, g, second);
  const Index width = row_width(p);
  s.put_on(queue);
  const AdamCoefficients<float> c = s.coefficients(weight_decay);
  Unlocked unlocked;
  if (first.dtype == DType::kFloat32) {
    backend::adam_rows(
        AdamRows<float>{data<float>(p), data<float>(first), data<float>(second),
                        nullptr, data<const float>(g), ids_of(rows), width,
                        width, c, s.gradient(), p.shape[0], weight_decay,
                        s.device},
        queue.stream());
    return;
  }
  const CompactAdamTensor table{
      data<float>(p), first.address, second.address, data<const float>(g),
      p.size(),       p.shape[0],    width,          c.decay,
      weight_decay};
  backend::compact_adam_rows(
      CompactAdamRows<float>{table, ids_of(rows), format_of(first), s.key(), c,
                             s.gradient(), s.device},
      queue.stream());
}

}  // namespace

void bind_compact_adam(py::module_& m) {
  m.def("compact_adam_step", &compact_adam_step,
        "One Adam step in place with moments of 32, 16 or 8 bits.",
        py::arg("param"), py::arg("grad"), py::arg("moment1"),
        py::arg("moment2"), py::arg("learning_rate"), py::arg("step"),
        py::arg("beta1") = 0.9, py::arg("beta2") = 0.999, py::arg("eps") = 1e-7,
        py::arg("eps_mode") = "hat", py::arg("weight_decay") = 0.0,
        py::arg("bias_correction") = true, py::arg("l2") = 0.0,
        py::arg("grad_scale") = 1.0);
  m.def("compact_adam_rows", &compact_adam_rows,
        "The same on some rows of a table, each named once.", py::arg("param"),
        py::arg("grad"), py::arg("rows"), py::arg("moment1"),
        py::arg("moment2"), py::arg("learning_rate"), py::arg("step"),
        py::arg("beta1") = 0.9, py::arg("beta2") = 0.999, py::arg("eps") = 1e-7,
        py::arg("eps_mode") = "hat", py::arg("weight_decay") = 0.0,
        py::arg("bias_correction") = true, py::arg("l2") = 0.0,
        py::arg("grad_scale") = 1.0);
}

}  // namespace strop::bind
