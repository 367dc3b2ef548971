// Of strop._cuda alone: what training/chain.py asks for.

#include "cuda/dense_chain.h"

#include "bind/activation.h"
#include "bind/array.h"
#include "bind/backend.h"
#include "kernels/loss.h"

namespace strop::bind {
namespace {

constexpr const char* op = "dense_chain";

PointwiseLoss loss_of(const std::string& name) {
  if (name == "mean_squared_error") return PointwiseLoss::kMeanSquaredError;
  if (name == "mean_absolute_error") return PointwiseLoss::kMeanAbsoluteError;
  if (name == "binary_cross_entropy") return PointwiseLoss::kBinaryCrossEntropy;
  raise_value(op,
              "loss must be 'mean_squared_error', 'mean_absolute_error' or "
              "'binary_cross_entropy'; got '" +
                  name + "'");
}

Activation activation_of(const std::string& name) {
  const Activation which = which_of(op, name);
  for (const Activation known : {Activation::kLinear, Activation::kRelu,
                                 Activation::kSigmoid, Activation::kTanh}) {
    if (which == known) return which;
  }
  raise_value(
      op, "activation must be 'linear', 'relu', 'sigmoid' or 'tanh'; got '" +
              name + "'");
}

// A layer as it was given, and arrays for its gradients.
struct Given {
  Array kernel, bias;
  py::object grad_kernel, grad_bias = py::none();
  Activation which;
};

std::vector<Given> layers_of(const py::list& list, const Array& x) {
  if (list.empty() || list.size() > std::size_t(cuda::kChainLayers)) {
    raise_value(op, "layers must be 1 to " +
                        std::to_string(cuda::kChainLayers) + "; got " +
                        std::to_string(list.size()));
  }
  std::vector<Given> layers;
  Index inputs = x.shape[1];
  for (const py::handle item : list) {
    const py::tuple parts = item.cast<py::tuple>();
    const int place = int(layers.size());
    Given layer{borrow(op, "kernel", parts[0], place),
                borrow_optional(op, "bias", parts[1]),
                {},
                py::none(),
                activation_of(parts[2].cast<std::string>())};
    require_dtype_like(op, layer.kernel, x);
    require_ndim(op, layer.kernel, 2);
    require_shape(op, layer.kernel, {inputs, layer.kernel.shape[1]});
    inputs = layer.kernel.shape[1];
    if (layer.bias.object) {
      require_dtype_like(op, layer.bias, x);
      require_shape(op, layer.bias, {inputs});
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

void require_room(const Array& x, const std::vector<Given>& layers) {
  Index widths = x.shape[1];
  for (const Given& layer : layers) widths += layer.kernel.shape[1];
  const Index most = x.dtype == DType::kFloat32 ? cuda::kChainWidths<float>
                                                : cuda::kChainWidths<double>;
  if (widths > most || widths < Index(layers.size()) + 1) {
    raise_value(op, "layers must have 1 to " + std::to_string(most) +
                        " inputs and outputs together; got " +
                        std::to_string(widths));
  }
  if (x.shape[0] < 1 || x.shape[0] > cuda::kChainMost) {
    raise_value(op, "x must have 1 to " + std::to_string(cuda::kChainMost) +
                        " rows; got " + std::to_string(x.shape[0]));
  }
}

py::tuple dense_chain(py::handle x_object, const py::list& list,
                      py::handle target_object, py::handle weight_object,
                      const std::string& loss, bool need_x) {
  const Array x = borrow(op, "x", x_object);
  require_float(op, x);
  require_ndim(op, x, 2);
  std::vector<Given> layers = layers_of(list, x);
  require_room(x, layers);
  const Index rows = x.shape[0], outputs = layers.back().kernel.shape[1];
  const Array target = borrow(op, "target", target_object);
  const Array weight = borrow_optional(op, "sample_weight", weight_object);
  require_dtype_like(op, target, x);
  require_shape(op, target, {rows, outputs});
  if (weight.object) {
    require_dtype_like(op, weight, x);
    require_shape(op, weight, {rows});
  }
  const PointwiseLoss which = loss_of(loss);
  Queue queue(op, x, target, weight);
  for (const Given& layer : layers) {
    queue.add(layer.kernel);
    queue.add(layer.bias);
  }

  py::object output = new_array({rows, outputs}, x.dtype);
  py::object grad_x = py::none(), value = new_array({}, DType::kFloat64);
  if (need_x) grad_x = new_array({rows, x.shape[1]}, x.dtype);
  py::list grads;
  for (Given& layer : layers) {
    const Index wide = layer.kernel.shape[1];
    layer.grad_kernel = new_array({layer.kernel.shape[0], wide}, x.dtype);
    grads.append(layer.grad_kernel);
    if (!layer.bias.object) continue;
    layer.grad_bias = new_array({wide}, x.dtype);
    grads.append(layer.grad_bias);
  }
  visit_float(x, [&](auto zero) {
    using T = decltype(zero);
    cuda::DenseChain<T> args{};
    for (const Given& layer : layers) {
      args.layers[args.count++] = {
          data<const T>(layer.kernel),
          data<const T>(layer.bias),
          data<T>(borrow(op, "result", layer.grad_kernel)),
          data<T>(borrow_optional(op, "result", layer.grad_bias)),
          int(layer.kernel.shape[0]),
          int(layer.kernel.shape[1]),
          layer.which};
    }
    args.loss = which;
    args.rows = rows;
    args.x = data<const T>(x);
    args.target = data<const T>(target);
    args.weight = data<const T>(weight);
    args.output = data<T>(borrow(op, "result", output));
    args.grad_x = data<T>(borrow_optional(op, "result", grad_x));
    args.value = data<double>(borrow(op, "result", value));
    const Doubles workspace(cuda::chain_workspace(args));
    args.workspace = workspace.data();
    cuda::dense_chain(args, queue.stream());
  });
  return py::make_tuple(value, output, grads, grad_x);
}

}  // namespace

void bind_dense_chain(py::module_& m) {
  m.attr("chain_rows") = cuda::kChainMost;
  m.attr("chain_widths") =
      py::make_tuple(cuda::kChainWidths<float>, cuda::kChainWidths<double>);
  m.def("dense_chain", &dense_chain,
        "Loss, outputs, gradients by kernels and biases, gradient by x.",
        py::arg("x"), py::arg("layers"), py::arg("target"),
        py::arg("sample_weight"), py::arg("loss"), py::arg("need_x"));
}

}  // namespace strop::bind
