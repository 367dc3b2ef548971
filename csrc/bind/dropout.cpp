#include "cuda/dropout.h"

#include "bind/array.h"
#include "bind/backend.h"

namespace strop::bind {
namespace {

py::object dropout(py::handle x_object, double rate, std::uint64_t key_low,
                   std::uint64_t key_high, std::int64_t draw,
                   py::handle counted_object) {
  constexpr const char* op = "dropout";
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  if (!(rate >= 0 && rate < 1)) {
    raise_value(op, "rate must lie in [0, 1); got " + std::to_string(rate));
  }
  const Array counted = borrow_optional(op, "counted", counted_object);
  if (counted.address != nullptr &&
      (counted.dtype != DType::kInt64 || counted.size() != 1)) {
    raise_type(op, "counted must be int64 with one element; got a " +
                       describe(counted));
  }
  const Queue queue(op, x, counted);
  py::object result =
      new_array(std::vector<Index>(x.shape, x.shape + x.ndim), x.dtype);
  const Array out = borrow(op, "out", result);
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    const cuda::Dropout<T> args{data<const T>(x),
                                data<T>(out),
                                x.size(),
                                PhiloxKey{key_low, key_high},
                                draw,
                                data<const std::int64_t>(counted),
                                float(rate),
                                T(1 / (1 - rate))};
    const Release unlocked(x.size());
    cuda::dropout(args, queue.stream());
  });
  return result;
}

}  // namespace

void bind_dropout(py::module_& m) {
  m.def("dropout", &dropout,
        "x with a share of its elements 0 and the others scaled up.",
        py::arg("x"), py::arg("rate"), py::arg("key_low"), py::arg("key_high"),
        py::arg("draw"), py::arg("counted") = py::none());
}

}  // namespace strop::bind
