"""Pooling over windows of a sequence or an image."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import ops
from ..ops.pool import whole_numbers
from .base import Grads, Layer, Shape

Array = NDArray[Any]
Sizes = int | tuple[int, ...]


class Pooling(Layer):
    """What the layers have in common that pool over windows: their sizes and shapes."""

    fixed_rank = True
    #: Names of the axes, by which an error says what was expected.
    AXES: tuple[str, ...] = ("batch", "steps", "features")

    def __init__(
        self,
        pool_size: Sizes,
        strides: Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(name=name, **settings)
        rank = len(self.AXES) - 2
        self.pool_size = whole_numbers(self.op, "pool_size", pool_size, rank)
        self.strides = self.pool_size if strides is None else whole_numbers(self.op, "strides", strides, rank)
        if padding not in ("valid", "same"):
            raise ValueError(f"{self.op}: padding must be 'valid' or 'same'; got {padding!r}")
        if data_format not in (None, "channels_last"):
            raise ValueError(f"{self.op}: data_format must be 'channels_last'; got {data_format!r}")
        self.padding = padding

    def build(self, input_shape: Shape) -> None:
        """Refuse inputs with other axes, and those that hold no window."""
        if len(input_shape) != len(self.AXES):
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have {len(self.AXES)} axes ({', '.join(self.AXES)}); "
                f"got shape {input_shape}"
            )
        sizes = zip(input_shape[1:-1], self.pool_size, strict=True)
        if self.padding == "valid" and any(n and n < window for n, window in sizes):
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must hold a window of {self.pool_size}; got shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The number of windows along each axis between batch and channels."""
        beyond = [1 if self.padding == "same" else window for window in self.pool_size]
        sizes = zip(input_shape[1:-1], beyond, self.strides, strict=True)
        windows = (n and (n - least) // stride + 1 for n, least, stride in sizes)
        return (input_shape[0], *windows, input_shape[-1])

    @property
    def _windows(self) -> dict[str, Any]:
        """The settings as the ops take them."""
        return {"window": self.pool_size, "strides": self.strides, "padding": self.padding}

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
        }


class _MaxPooling(Pooling):
    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **settings)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        y = ops.max_pool(x, **self._windows)
        return y, (x, y)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The first of the greatest of each window gets its gradient."""
        return (ops.max_pool_backward(grad, *saved, **self._windows) if need_x else None), []


class _AveragePooling(Pooling):
    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        return ops.average_pool(x, **self._windows), x.shape

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """All of a window get their share."""
        return (ops.average_pool_backward(grad, shape=saved, **self._windows) if need_x else None), []


class MaxPooling1D(_MaxPooling):
    """The greatest of each window of steps: (N, T, D) becomes (N, windows, D).

    Args:
        pool_size: steps of a window.
        strides: from one window to the next; None is pool_size.
        padding: `"valid"`, or `"same"` for ceil(T / strides) windows. Padding is never counted.
        data_format: only `"channels_last"` or None.
        name: unique within a model; None takes the class name.
        settings: dtype, trainable, input_shape.

    Raises:
        ValueError: a size is not 1 or more, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> MaxPooling1D(2, padding="same")(np.arange(1.0, 6).reshape(1, 5, 1)).ravel()
        array([2., 4., 5.], dtype=float32)
    """


class MaxPooling2D(_MaxPooling):
    """The greatest of each window of an image: (N, H, W, C) becomes (N, windows down, windows across, C).

    Args:
        pool_size: height and width of a window, or one number for both.
        strides: from one window to the next; None is pool_size.
        padding: `"valid"`, or `"same"` for ceil(H / strides) windows down. Padding is never counted; an odd row or
            column of it is below or to the right.
        data_format: only `"channels_last"` or None.
        name: unique within a model; None takes the class name.
        settings: dtype, trainable, input_shape.

    Raises:
        ValueError: a size is not 1 or more, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> MaxPooling2D()(np.arange(16.0).reshape(1, 4, 4, 1)).ravel()
        array([ 5.,  7., 13., 15.], dtype=float32)
    """

    AXES = ("batch", "height", "width", "channels")


class AveragePooling1D(_AveragePooling):
    """The mean of each window of steps: (N, T, D) becomes (N, windows, D).

    Args:
        pool_size: steps of a window.
        strides: from one window to the next; None is pool_size.
        padding: `"valid"`, or `"same"` for ceil(T / strides) windows. Padding is never counted.
        data_format: only `"channels_last"` or None.
        name: unique within a model; None takes the class name.
        settings: dtype, trainable, input_shape.

    Raises:
        ValueError: a size is not 1 or more, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> AveragePooling1D(3, 2, "same")(np.arange(1.0, 6).reshape(1, 5, 1)).ravel()
        array([1.5, 3. , 4.5], dtype=float32)
    """


class AveragePooling2D(_AveragePooling):
    """The mean of each window of an image: (N, H, W, C) becomes (N, windows down, windows across, C).

    Args:
        pool_size: height and width of a window, or one number for both.
        strides: from one window to the next; None is pool_size.
        padding: `"valid"`, or `"same"` for ceil(H / strides) windows down. Padding is never counted.
        data_format: only `"channels_last"` or None.
        name: unique within a model; None takes the class name.
        settings: dtype, trainable, input_shape.

    Raises:
        ValueError: a size is not 1 or more, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> AveragePooling2D(2)(np.arange(16.0).reshape(1, 4, 4, 1)).ravel()
        array([ 2.5,  4.5, 10.5, 12.5], dtype=float32)
    """

    AXES = ("batch", "height", "width", "channels")
