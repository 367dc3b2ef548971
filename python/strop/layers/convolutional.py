"""Convolutions of sequences and images."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import ops
from .base import Grads, Shape
from .core import whole_number
from .windows import Windowed

Array = NDArray[Any]


class _Conv(Windowed):
    """What Conv1D and Conv2D share."""

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        groups: int = 1,
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
        self.filters = whole_number(self.op, "filters", filters)
        self.groups = whole_number(self.op, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"{self.op}: groups must divide filters ({self.filters}); got {self.groups}")
        self.set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.set_bias(use_bias, activation)
        self.declare(
            kernel=(kernel_initializer, kernel_regularizer, kernel_constraint),
            bias=(bias_initializer, bias_regularizer, bias_constraint),
        )

    def build(self, input_shape: Shape) -> None:
        """Make kernel and bias."""
        channels = self.channels_of(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have a last axis that groups ({self.groups}) divides; "
                f"got shape {input_shape}"
            )
        self.channels = channels
        self.kernel = self.add_declared("kernel", (*self.kernel_size, channels // self.groups, self.filters))
        if self.use_bias:
            self.bias = self.add_declared("bias", (self.filters,))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The axes of the windows, and filters."""
        return (*self.outputs(input_shape), self.filters)

    def _call(self, *arrays: Array, **passed: Any) -> Array:
        return ops.conv(*arrays, groups=self.groups, **passed)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        bias = self.bias._value if self.use_bias else None
        return self.convolve(x, self.channels, self._call, self.kernel._value, bias)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, by kernel and bias."""
        grad_x, grads = self.convolve_backward(
            grad, saved, ops.conv_backward, self.kernel._value, need_x, groups=self.groups
        )
        return grad_x, grads if self.trainable else []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "filters": self.filters,
            **self.window_config(),
            "groups": self.groups,
            **self.bias_config(),
            **self.declared_config(),
        }


class Conv1D(_Conv):
    """A convolution along the steps of a sequence: (N, T, C) becomes (N, T', filters).

    `y[t] = activation(sum of x[t * strides + k * dilation_rate] @ kernel[k] + bias)`; the kernel is not turned. A mask
    ends here, since a window may hold masked steps and others.

    Args:
        filters: channels of the output.
        kernel_size: steps that a window holds.
        strides: steps from window to window.
        padding: `"valid"` takes whole windows only; `"same"` adds zeros so that there are ceil(T / strides) outputs,
            the odd one behind; `"causal"` adds them in front, so that no output sees a later step.
        data_format: only `"channels_last"` or None.
        dilation_rate: steps from tap to tap within a window.
        groups: channels and filters fall into so many groups; each filter sees its own.
        activation: name or function applied to the output; None is linear.
        use_bias: whether a bias is added.
        kernel_initializer: how the kernel (kernel_size, C / groups, filters) starts; its fans are
            kernel_size times C / groups, and times filters.
        bias_initializer: how the bias (filters,) starts.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, over the batch size.
        kernel_constraint: what is done to the kernel after each update.
        bias_constraint: what is done to the bias after each update.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: a size is no int.
        ValueError: a setting is out of range, or the inputs do not fit.

    Example:
        >>> import numpy as np
        >>> layer = Conv1D(1, 3, padding="causal", kernel_initializer="ones")
        >>> layer(np.array([1.0, 0, 0, 2]).reshape(1, 4, 1)).ravel()
        array([1., 1., 1., 2.], dtype=float32)
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(_Conv):
    """A convolution of images: (N, H, W, C) becomes (N, H', W', filters).

    `y[i, j] = activation(sum of x[i * sh + h * dh, j * sw + w * dw] @ kernel[h, w] + bias)`; the kernel is not turned.

    Args:
        filters: channels of the output.
        kernel_size: height and width of a window, or one number for both.
        strides: pixels from window to window, down and across.
        padding: `"valid"` takes whole windows only; `"same"` adds zeros so that there are ceil(H / strides) rows of
            outputs and columns likewise, the odd one below or right.
        data_format: only `"channels_last"` or None.
        dilation_rate: pixels from tap to tap within a window, down and across.
        groups: channels and filters fall into so many groups; each filter sees its own.
        activation: name or function applied to the output; None is linear.
        use_bias: whether a bias is added.
        kernel_initializer: how the kernel (height, width, C / groups, filters) starts; its fans are
            height * width times C / groups, and times filters.
        bias_initializer: how the bias (filters,) starts.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, over the batch size.
        kernel_constraint: what is done to the kernel after each update.
        bias_constraint: what is done to the bias after each update.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: a size is no int.
        ValueError: a setting is out of range, or the inputs do not fit.

    Example:
        >>> import numpy as np
        >>> layer = Conv2D(1, 2, kernel_initializer="ones")
        >>> layer(np.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0]
        array([[ 8., 12.],
               [20., 24.]], dtype=float32)
    """

    rank = 2
