"""Dense, Activation, Flatten, Input."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from .. import activations, ops
from .._names import Constructor
from .._serial import described
from .base import Grads, Layer, Shape
from .declared import Declared
from .symbolic import Symbolic, sample_shape
from .symbolic import whole_number as whole_number
from .windows import check_data_format

Array = NDArray[Any]


class Dense(Declared):
    """A fully connected layer: `activation(x @ kernel + bias)` on the last axis.

    Args:
        units: size of the output.
        activation: name or function applied to the output; None is linear.
        use_bias: whether a bias is added.
        kernel_initializer: how the kernel (inputs, units) starts.
        bias_initializer: how the bias (units,) starts.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, over the batch size.
        kernel_constraint: what is done to the kernel after each update.
        bias_constraint: what is done to the bias after each update.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: units is not 1 or more, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> layer = Dense(3, activation="relu", kernel_initializer="ones")
        >>> layer(np.array([[1.0, 2.0]]))
        array([[3., 3., 3.]], dtype=float32)
    """

    passes_mask = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **settings)
        self.units = whole_number(self.op, "units", units)
        self.activation = activations.get(activation, self.op)
        self.use_bias = bool(use_bias)
        self.declare(
            kernel=(kernel_initializer, kernel_regularizer, kernel_constraint),
            bias=(bias_initializer, bias_regularizer, bias_constraint),
        )

    def build(self, input_shape: Shape) -> None:
        """Make kernel and bias."""
        inputs = input_shape[-1]
        if len(input_shape) < 2 or inputs is None:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have a known last axis; got shape {input_shape}"
            )
        self.kernel = self.add_declared("kernel", (inputs, self.units))
        if self.use_bias:
            self.bias = self.add_declared("bias", (self.units,))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with units as its last axis."""
        return (*input_shape[:-1], self.units)

    def linear(self, x: Array, activation: str | None = None) -> Array:
        """activation(x @ kernel + bias), on any leading axes; the activation is one that matmul fuses."""
        kernel = self.kernel._value
        if x.shape[-1] != kernel.shape[0]:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have last axis {kernel.shape[0]}; got shape {x.shape}"
            )
        bias = self.bias._value if self.use_bias else None
        flat = x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        y = ops.matmul(flat, kernel, bias=bias, activation=activation)
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.units)

    def linear_backward(
        self,
        grad: Array,
        x: Array,
        output: Array | None = None,
        activation: str | None = None,
        need_x: bool = True,
    ) -> tuple[Array | None, Grads]:
        """Gradients of `linear`."""
        width = x.shape[-1]
        rows = math.prod(x.shape[:-1])
        grad_x, grad_kernel, grad_bias = ops.matmul_backward(
            grad.reshape(rows, self.units),
            x.reshape(rows, width),
            self.kernel._value,
            output=None if output is None else output.reshape(rows, self.units),
            activation=activation,
            bias=self.use_bias,
            need_a=need_x,
        )
        grads: Grads = []
        if self.trainable:
            grads = [grad_kernel, grad_bias] if self.use_bias else [grad_kernel]
        return None if grad_x is None else grad_x.reshape(x.shape), grads

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        fused = self.activation.fused
        if fused is not None:
            y = self.linear(x, fused)
            return y, (x, None, y)
        z = self.linear(x)
        y = self.activation.forward(z)
        return y, (x, z, y)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, by kernel and bias."""
        x, z, y = saved
        if z is None:
            return self.linear_backward(grad, x, y, self.activation.fused, need_x)
        return self.linear_backward(self.activation.backward(grad, z, y), x, need_x=need_x)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": described(self.activation),
            "use_bias": self.use_bias,
            **self.declared_config(),
        }


class Activation(Layer):
    """An activation as a layer of its own.

    Args:
        activation: name or function.
        settings: name, dtype, trainable, input_shape.

    Example:
        >>> import numpy as np
        >>> Activation("relu")(np.array([[-1.0, 2.0]]))
        array([[0., 2.]], dtype=float32)
    """

    passes_mask = True

    def __init__(self, activation: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.activation = activations.get(activation, self.op)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        y = self.activation.forward(x)
        return y, (x, y)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        x, y = saved
        return self.activation.backward(grad, x, y), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "activation": described(self.activation)}


class Flatten(Layer):
    """Every sample as one row of numbers; (N,) becomes (N, 1).

    Args:
        data_format: only `"channels_last"` or None.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: data_format is another.

    Example:
        >>> import numpy as np
        >>> Flatten()(np.zeros((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        check_data_format(self.op, data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, product of the other axes)."""
        rest = input_shape[1:]
        return (input_shape[0], None if None in rest else math.prod(r for r in rest if r is not None))

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        return grad.reshape(saved), []


class Input(Symbolic, metaclass=Constructor):
    """The shape of one sample: the first entry of a `Sequential`, or the tensor on which layers are called.

    Args:
        shape: without the batch axis; None is any length.
        dtype: `"int32"` or `"int64"` for ids; None takes what the first layer reads.
        name: for people, and for data given as a dict.

    Raises:
        TypeError: shape is no tuple of sizes.
        ValueError: a size is negative.

    Example:
        >>> x = Input((500,))
        >>> x.shape
        (None, 500)
        >>> Dense(3)(x).shape
        (None, 3)
    """

    def __init__(self, shape: Any, dtype: str | None = None, name: str | None = None) -> None:
        super().__init__(sample_shape("Input", "shape", shape))
        self.dtype, self.given_name = dtype, name
        self.name = name or "input"

    @property
    def source(self) -> str:
        """Its name."""
        return self.name

    def __repr__(self) -> str:
        return f"<Input {self.name!r} of shape {self.shape}>"
