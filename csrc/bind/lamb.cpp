#include "kernels/lamb.h"

#include "bind/update.h"

namespace strop::bind {
namespace {

constexpr const char* op = "lamb_step";

template <typename T>
Index blocks_of(const std::vector<LambTensor<T>>& tensors) {
  Index blocks = 0;
  for (const auto& t : tensors)
    blocks += (t.size + kLambBlock - 1) / kLambBlock;
  return blocks;
}

void lamb_step(py::handle param, py::handle grad, py::handle moment1,
               py::handle moment2, py::handle learning_rate, py::handle step,
               double beta1, double beta2, double eps,
               const std::string& dialect, py::handle weight_decay, double l2,
               py::handle grad_scale) {
  const bool keras = keras_dialect(op, dialect);
  check_betas(op, beta1, beta2);
  check_at_least_0(op, "eps", eps);
  const StepNumbers numbers = numbers_of(op, learning_rate, step, grad_scale);
  check_at_least_0(op, "l2", l2);
  const LambRule rule{beta1, beta2, eps};
  TensorLists t;
  t.add(op, "param", param);
  t.add(op, "grad", grad);
  t.add(op, "moment1", moment1);
  t.add(op, "moment2", moment2);
  check_lists(op, t);
  const std::size_t count = t.lists[0].size();
  const std::vector<double> decay = decays(op, weight_decay, count);
  if (count == 0) return;
  Queue queue(op);
  add_all(queue, t);
  numbers.add_to(queue);
  visit_float(t.lists[0][0], [&](auto zero) {
    using T = decltype(zero);
    std::vector<LambTensor<T>> tensors;
    tensors.reserve(count);
    Index elements = 0;
    for (std::size_t i = 0; i < count; ++i) {
      elements += t.lists[0][i].size();
      tensors.push_back({data<T>(t.lists[0][i]), data<const T>(t.lists[1][i]),
                         data<T>(t.lists[2][i]), data<T>(t.lists[3][i]),
                         t.lists[0][i].size(), 0, T(keras ? 0 : decay[i]),
                         keras ? decay[i] : 0});
    }
    run(queue, numbers,
        [tensors = std::move(tensors), rule, l2, elements](
            const StepNumbers& n, Stream stream) mutable {
          for (LambTensor<T>& t : tensors)
            t.lost = T(n.rate() * t.weight_decay);
          Doubles sums(2 * blocks_of(tensors));
          Doubles steps{Index(tensors.size())};
          Doubles room;
          const LambStep<T> args{
              tensors.data(),
              Index(tensors.size()),
              coefficients_of<T>(rule, n.step.number.value, n.rate()),
              Gradient<T>{T(n.scale()), T(l2)},
              n.rate(),
              sums.data(),
              steps.data(),
              device_numbers(n, rule, l2, room)};
          const Release unlocked(elements);
          backend::lamb_step(args, stream);
        });
  });
}

}  // namespace

void bind_lamb(py::module_& m) {
  using py::arg;
  m.def("lamb_step", &lamb_step, "One LAMB step in place.", arg("param"),
        arg("grad"), arg("moment1"), arg("moment2"), arg("learning_rate"),
        arg("step"), arg("beta1"), arg("beta2"), arg("eps"), arg("dialect"),
        arg("weight_decay"), arg("l2"), arg("grad_scale"));
}

}  // namespace strop::bind
