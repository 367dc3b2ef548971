"""What layers with a sliding window share: sizes and strides per axis, and the pads of 'same' and 'causal'."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import activations
from .._serial import described
from ..ops.pool import same_pads, whole_numbers
from .base import Grads, Shape
from .declared import Declared

Array = NDArray[Any]
Pair = tuple[int, int]

#: The axes of an input, by how many of them the window moves along.
AXES = {1: "(batch, steps, channels)", 2: "(batch, height, width, channels)"}


def check_data_format(op: str, data_format: str | None) -> None:
    """Refuse channels first."""
    if data_format not in (None, "channels_last"):
        raise ValueError(
            f"{op}: data_format must be 'channels_last'; got {data_format!r}; move the channels to the last axis"
        )


def pads_of(padding: str, size: int, taps: int, stride: int, dilation: int) -> Pair:
    """Zeros before and behind an axis: of 'same' the odd one is behind, of 'causal' all are before.

    Example:
        >>> pads_of("same", 5, 2, 1, 1), pads_of("causal", 5, 3, 1, 2), pads_of("valid", 5, 3, 1, 1)
        ((0, 1), (4, 0), (0, 0))
    """
    reach = (taps - 1) * dilation + 1
    if padding == "causal":
        return reach - 1, 0
    if padding == "valid":
        return 0, 0
    return same_pads(size, reach, stride)


class Windowed(Declared):
    """Base of the convolutions; `rank` axes between batch and channels."""

    rank = 2
    fixed_rank = True
    paddings: tuple[str, ...] = ("valid", "same")

    def set_window(
        self, kernel_size: Any, strides: Any, padding: str, data_format: str | None, dilation_rate: Any
    ) -> None:
        """Check and keep the settings of the window."""
        self.kernel_size = whole_numbers(self.op, "kernel_size", kernel_size, self.rank)
        self.strides = whole_numbers(self.op, "strides", strides, self.rank)
        self.dilation_rate = whole_numbers(self.op, "dilation_rate", dilation_rate, self.rank)
        check_data_format(self.op, data_format)
        name = padding.lower() if isinstance(padding, str) else padding
        if name not in self.paddings:
            known = " or ".join([", ".join(map(repr, self.paddings[:-1])), repr(self.paddings[-1])])
            raise ValueError(f"{self.op}: padding must be {known}; got {padding!r}")
        self.padding = name

    def window_config(self) -> dict[str, Any]:
        """The settings of the window, as the constructor takes them."""
        return {
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "dilation_rate": list(self.dilation_rate),
        }

    def channels_of(self, input_shape: Shape) -> int:
        """The channels of the inputs; refuses shapes that do not fit."""
        where = f"{self.op} {self.name!r}: inputs must"
        if len(input_shape) != self.rank + 2:
            raise ValueError(f"{where} have {self.rank + 2} axes {AXES[self.rank]}; got shape {input_shape}")
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(f"{where} have a known last axis; got shape {input_shape}")
        if self.padding == "valid":
            for size, taps, step in zip(input_shape[1:-1], self.kernel_size, self.dilation_rate, strict=True):
                reach = (taps - 1) * step + 1
                if size is not None and 0 < size < reach:
                    raise ValueError(
                        f"{where} be as long as the window, {reach}, on every axis; got shape {input_shape}; "
                        "padding='same' adds zeros"
                    )
        return channels

    def outputs(self, input_shape: Shape) -> Shape:
        """Batch and the axes along which the window moves, of the output."""
        sizes: list[int | None] = []
        settings = zip(input_shape[1:-1], self.kernel_size, self.strides, self.dilation_rate, strict=True)
        for size, taps, stride, step in settings:
            if size is None:
                sizes.append(None)
                continue
            total = size + sum(pads_of(self.padding, size, taps, stride, step))
            sizes.append(max((total - (taps - 1) * step - 1) // stride + 1, 0))
        return (input_shape[0], *sizes)

    def as_images(self, x: Array, channels: int) -> Array:
        """x as (N, H, W, C): sequences are images of height 1."""
        if x.ndim != self.rank + 2 or x.shape[-1] != channels:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have {self.rank + 2} axes, the last of {channels}; "
                f"got shape {x.shape}"
            )
        return x[:, None] if self.rank == 1 else x

    def as_kernel(self, kernel: Array) -> Array:
        """A kernel of this rank as one of two axes and what follows them."""
        return kernel[None] if self.rank == 1 else kernel

    def window(self, images: Array) -> dict[str, Any]:
        """Strides, pads and dilation as `ops.conv` takes them."""

        def two(values: tuple[int, ...]) -> Pair:
            return (1, values[0]) if self.rank == 1 else (values[0], values[1])

        taps, strides, dilation = two(self.kernel_size), two(self.strides), two(self.dilation_rate)
        pads = tuple(
            pads_of(self.padding, size, *each)
            for size, each in zip(images.shape[1:3], zip(taps, strides, dilation, strict=True), strict=True)
        )
        return {"strides": strides, "padding": pads, "dilation": dilation}

    def from_images(self, y: Array) -> Array:
        """The opposite of `as_images`."""
        return y[:, 0] if self.rank == 1 else y

    def convolve(
        self, x: Array, channels: int, call: Any, kernel: Array, bias: Array | None
    ) -> tuple[Array, Any]:
        """activation(call(x, kernel) + bias) with what `convolve_backward` needs; `call` is ops.conv or a like one."""
        images = self.as_images(x, channels)
        fused = self.activation.fused
        settings = self.window(images)
        z = call(images, self.as_kernel(kernel), **settings, bias=bias, activation=fused)
        if fused is not None:
            return self.from_images(z), (images, None, z, settings)
        y = self.activation.forward(z)
        return self.from_images(y), (images, z, y, settings)

    def convolve_backward(
        self, grad: Array, saved: Any, call: Any, kernel: Array, need_x: bool, **passed: Any
    ) -> tuple[Array | None, Grads]:
        """The gradient by x, and those by kernel and bias; `call` is ops.conv_backward or a like one."""
        images, z, y, settings = saved
        fused = self.activation.fused
        dz = grad[:, None] if self.rank == 1 else grad
        if z is not None:
            dz, y, fused = self.activation.backward(dz, z, y), None, None
        grad_x, grad_kernel, grad_bias = call(
            dz,
            images,
            self.as_kernel(kernel),
            **settings,
            **passed,
            output=y,
            activation=fused,
            bias=self.use_bias,
            need_x=need_x,
        )
        grads: Grads = [grad_kernel.reshape(kernel.shape), *([grad_bias] if self.use_bias else [])]
        return None if grad_x is None else self.from_images(grad_x), grads

    def set_bias(self, use_bias: bool, activation: Any) -> None:
        """Keep what comes behind the sums."""
        self.use_bias = bool(use_bias)
        self.activation = activations.get(activation, self.op)

    def bias_config(self) -> dict[str, Any]:
        """Activation and use_bias, as the constructor takes them."""
        return {"activation": described(self.activation), "use_bias": self.use_bias}
