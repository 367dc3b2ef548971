"""Convolutions whose channels have kernels of their own."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import ops
from .base import Grads, Shape
from .core import whole_number
from .windows import Windowed

Array = NDArray[Any]


class DepthwiseConv2D(Windowed):
    """A convolution of each channel by kernels of its own: (N, H, W, C) becomes (N, H', W', C * depth_multiplier).

    Channel `c * depth_multiplier + d` of the output comes from channel c of the input under `kernel[:, :, c, d]`.

    Args:
        kernel_size: height and width of a window, or one number for both.
        strides: pixels from window to window, down and across.
        padding: `"valid"` or `"same"`, as of `Conv2D`.
        depth_multiplier: kernels per channel.
        data_format: only `"channels_last"` or None.
        dilation_rate: pixels from tap to tap within a window, down and across.
        activation: name or function applied to the output; None is linear.
        use_bias: whether a bias is added.
        depthwise_initializer: how the kernel (height, width, C, depth_multiplier) starts.
        bias_initializer: how the bias (C * depth_multiplier,) starts.
        depthwise_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, over the batch size.
        depthwise_constraint: what is done to the kernel after each update.
        bias_constraint: what is done to the bias after each update.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: a size is no int.
        ValueError: a setting is out of range, or the inputs do not fit.

    Example:
        >>> import numpy as np
        >>> layer = DepthwiseConv2D(2, depthwise_initializer="ones")
        >>> layer(np.arange(8.0).reshape(1, 2, 2, 2)).ravel()
        array([12., 16.], dtype=float32)
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | tuple[int, ...] = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **settings)
        self.set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = whole_number(self.op, "depth_multiplier", depth_multiplier)
        self.set_bias(use_bias, activation)
        self.declare(
            depthwise=(depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            bias=(bias_initializer, bias_regularizer, bias_constraint),
        )

    def build(self, input_shape: Shape) -> None:
        """Make kernel and bias."""
        self.channels = self.channels_of(input_shape)
        self.kernel = self.add_declared(
            "depthwise", (*self.kernel_size, self.channels, self.depth_multiplier), "kernel"
        )
        if self.use_bias:
            self.bias = self.add_declared("bias", (self.channels * self.depth_multiplier,))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The axes of the windows, and depth_multiplier times the channels."""
        channels = input_shape[-1]
        return (*self.outputs(input_shape), None if channels is None else channels * self.depth_multiplier)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        bias = self.bias._value if self.use_bias else None
        return self.convolve(x, self.channels, ops.depthwise_conv, self.kernel._value, bias)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, by kernel and bias."""
        grad_x, grads = self.convolve_backward(
            grad, saved, ops.depthwise_conv_backward, self.kernel._value, need_x
        )
        return grad_x, grads if self.trainable else []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            **self.window_config(),
            "depth_multiplier": self.depth_multiplier,
            **self.bias_config(),
            **self.declared_config(),
        }


class SeparableConv2D(Windowed):
    """A convolution of each channel by its own kernels, then one of 1 x 1 that mixes them.

    (N, H, W, C) becomes (N, H', W', C * depth_multiplier), then (N, H', W', filters), to which bias and activation are
    applied.

    Args:
        filters: channels of the output.
        kernel_size: height and width of a window, or one number for both.
        strides: pixels from window to window, down and across.
        padding: `"valid"` or `"same"`, as of `Conv2D`.
        data_format: only `"channels_last"` or None.
        dilation_rate: pixels from tap to tap within a window, down and across.
        depth_multiplier: kernels per channel.
        activation: name or function applied to the output; None is linear.
        use_bias: whether a bias is added.
        depthwise_initializer: how the first kernel (height, width, C, depth_multiplier) starts.
        pointwise_initializer: how the second kernel (1, 1, C * depth_multiplier, filters) starts.
        bias_initializer: how the bias (filters,) starts.
        depthwise_regularizer: penalty on the first kernel.
        pointwise_regularizer: penalty on the second kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, over the batch size.
        depthwise_constraint: what is done to the first kernel after each update.
        pointwise_constraint: what is done to the second kernel after each update.
        bias_constraint: what is done to the bias after each update.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: a size is no int.
        ValueError: a setting is out of range, or the inputs do not fit.

    Example:
        >>> import numpy as np
        >>> layer = SeparableConv2D(1, 2, depthwise_initializer="ones", pointwise_initializer="ones")
        >>> layer(np.arange(8.0).reshape(1, 2, 2, 2)).ravel()
        array([28.], dtype=float32)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, ...] = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **settings)
        self.filters = whole_number(self.op, "filters", filters)
        self.set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = whole_number(self.op, "depth_multiplier", depth_multiplier)
        self.set_bias(use_bias, activation)
        self.declare(
            depthwise=(depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            pointwise=(pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            bias=(bias_initializer, bias_regularizer, bias_constraint),
        )

    def build(self, input_shape: Shape) -> None:
        """Make both kernels and the bias."""
        self.channels = self.channels_of(input_shape)
        self.depthwise_kernel = self.add_declared(
            "depthwise", (*self.kernel_size, self.channels, self.depth_multiplier), "depthwise_kernel"
        )
        self.pointwise_kernel = self.add_declared(
            "pointwise", (1, 1, self.channels * self.depth_multiplier, self.filters), "pointwise_kernel"
        )
        if self.use_bias:
            self.bias = self.add_declared("bias", (self.filters,))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The axes of the windows, and filters."""
        return (*self.outputs(input_shape), self.filters)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        images = self.as_images(x, self.channels)
        settings = self.window(images)
        depths = ops.depthwise_conv(images, self.depthwise_kernel._value, **settings)
        bias, fused = self.bias._value if self.use_bias else None, self.activation.fused
        z = ops.conv(depths, self.pointwise_kernel._value, bias=bias, activation=fused)
        y = z if fused is not None else self.activation.forward(z)
        return y, (images, depths, None if fused is not None else z, y, settings)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, by both kernels and the bias."""
        images, depths, z, y, settings = saved
        fused = self.activation.fused
        if z is not None:
            grad, y = self.activation.backward(grad, z, y), None
        grad_depths, by_points, by_bias = ops.conv_backward(
            grad, depths, self.pointwise_kernel._value, output=y, activation=fused, bias=self.use_bias
        )
        assert grad_depths is not None
        grad_x, by_depths, _ = ops.depthwise_conv_backward(
            grad_depths, images, self.depthwise_kernel._value, **settings, need_x=need_x
        )
        grads: Grads = [by_depths, by_points, by_bias] if self.use_bias else [by_depths, by_points]
        return grad_x, grads if self.trainable else []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "filters": self.filters,
            **self.window_config(),
            "depth_multiplier": self.depth_multiplier,
            **self.bias_config(),
            **self.declared_config(),
        }
