"""Activations with a name of their own: ReLU, LeakyReLU, ELU, Softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module
from .._names import check_number
from ..activations.base import Activation as Function
from .base import Grads, Layer, Shape
from .core import Activation

Array = NDArray[Any]


class ReLU(Activation):
    """`max(x, 0)`; with settings `negative_slope * (x - threshold)` below threshold, at most max_value.

    Args:
        max_value: None is no limit.
        negative_slope: slope below threshold, 0 or more.
        threshold: 0 or more; what lies below is cut off.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        ValueError: a setting is negative or not finite.

    Example:
        >>> import numpy as np
        >>> ReLU(max_value=1.0)(np.array([[-2.0, 0.5, 3.0]]))
        array([[0. , 0.5, 1. ]], dtype=float32)
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **settings: Any,
    ) -> None:
        op = type(self).__name__
        self.max_value = None if max_value is None else check_number(op, "max_value", max_value, low=0)
        self.negative_slope = check_number(op, "negative_slope", negative_slope, low=0)
        self.threshold = check_number(op, "threshold", threshold, low=0)
        # Without a setting a matmul before it can apply it.
        limit = {} if self.max_value is None else {"max_value": self.max_value}
        others = {"negative_slope": self.negative_slope, "threshold": self.threshold}
        given = limit | {name: value for name, value in others.items() if value}
        super().__init__(Function("relu", **given), **settings)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **Layer.get_config(self),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Activation):
    """x, or `negative_slope * x` where x is not positive; the function of this name has 0.2 where the layer has 0.3.

    Args:
        negative_slope: 0 or more.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        ValueError: negative_slope is negative or not finite.

    Example:
        >>> import numpy as np
        >>> LeakyReLU()(np.array([[-1.0, 2.0]]))
        array([[-0.3,  2. ]], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.3, **settings: Any) -> None:
        self.negative_slope = check_number(type(self).__name__, "negative_slope", negative_slope, low=0)
        super().__init__(Function("leaky_relu", negative_slope=self.negative_slope), **settings)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**Layer.get_config(self), "negative_slope": self.negative_slope}


class ELU(Activation):
    """x, or `alpha * (exp(x) - 1)` where x is negative.

    Args:
        alpha: minus the value far to the left.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Example:
        >>> import numpy as np
        >>> ELU()(np.array([[-1.0, 2.0]])).round(6)
        array([[-0.632121,  2.      ]], dtype=float32)

    References:
        Clevert et al., Fast and accurate deep network learning by exponential linear units, 2016.
    """

    def __init__(self, alpha: float = 1.0, **settings: Any) -> None:
        self.alpha = check_number(type(self).__name__, "alpha", alpha)
        super().__init__(Function("elu", alpha=self.alpha), **settings)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**Layer.get_config(self), "alpha": self.alpha}


class Softmax(Layer):
    """`exp(x) / sum(exp(x))` along an axis, or over several together.

    Args:
        axis: of the inputs, or a list of axes; not that of the samples.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        ValueError: an axis is not one of the inputs', or is that of the samples.

    Example:
        >>> import numpy as np
        >>> Softmax()(np.array([[0.0, 0.0], [1000.0, 1000.0]]))
        array([[0.5, 0.5],
               [0.5, 0.5]], dtype=float32)
    """

    passes_mask = True

    def __init__(self, axis: int | list[int] | tuple[int, ...] = -1, **settings: Any) -> None:
        super().__init__(**settings)
        axes = list(axis) if isinstance(axis, list | tuple) else [axis]
        if not axes or not all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in axes):
            raise TypeError(f"{self.op}: axis must be an int or a list of ints; got {axis!r}")
        self.axis = [int(a) for a in axes] if isinstance(axis, list | tuple) else int(axes[0])
        self._axes = [int(a) for a in axes]
        self.activation = Function("softmax")

    def build(self, input_shape: Shape) -> None:
        """Refuse axes that the inputs do not have."""
        count = len(input_shape)
        places = {axis % count for axis in self._axes if -count <= axis < count}
        if len(places) != len(self._axes) or 0 in places:
            raise ValueError(
                f"{self.op} {self.name!r}: axis must name different axes of the inputs but the first; "
                f"got {self.axis} for shape {input_shape}"
            )

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        y = self.activation.forward(self._as_rows(x))
        return self._as_before(y, x.shape), y

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        back = self.activation.backward(self._as_rows(grad), saved, saved)
        return self._as_before(back, grad.shape), []

    def _order(self, count: int) -> list[int]:
        """The axes with those of the softmax last."""
        last = [axis % count for axis in self._axes]
        return [axis for axis in range(count) if axis not in last] + last

    def _as_rows(self, x: Array) -> Array:
        order = self._order(x.ndim)
        width = math.prod(x.shape[axis] for axis in order[x.ndim - len(self._axes) :])
        library = array_module(x)
        rows: Array = library.ascontiguousarray(library.transpose(x, order))
        return rows.reshape(-1 if width else 0, width)

    def _as_before(self, rows: Array, shape: tuple[int, ...]) -> Array:
        order = self._order(len(shape))
        library = array_module(rows)
        moved = library.transpose(rows.reshape([shape[axis] for axis in order]), np.argsort(order).tolist())
        result: Array = library.ascontiguousarray(moved)
        return result

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "axis": self.axis}
