"""Layers with several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module
from .base import Shape
from .merge import Merge, any_of

Array = NDArray[Any]


class Add(Merge):
    """The sum of the inputs.

    Args:
        settings: name, dtype, trainable, activity_regularizer.

    Raises:
        ValueError: the shapes of the inputs do not broadcast.

    Example:
        >>> import numpy as np
        >>> Add()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])])
        array([[11., 22.]], dtype=float32)
    """

    def merge(self, xs: list[Array]) -> Array:
        """The sum."""
        return reduce(add, xs)

    def shares(self, grad: Array, xs: list[Array], y: Array) -> list[Array]:
        """The gradient itself, for each input."""
        return [grad] * len(xs)


class Average(Merge):
    """The mean of the inputs.

    Args:
        settings: name, dtype, trainable, activity_regularizer.

    Raises:
        ValueError: the shapes of the inputs do not broadcast.

    Example:
        >>> import numpy as np
        >>> Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]])])
        array([[2., 4.]], dtype=float32)
    """

    def merge(self, xs: list[Array]) -> Array:
        """The sum over the number of inputs."""
        mean: Array = reduce(add, xs) / xs[0].dtype.type(len(xs))
        return mean

    def shares(self, grad: Array, xs: list[Array], y: Array) -> list[Array]:
        """An equal part for each input."""
        return [grad / grad.dtype.type(len(xs))] * len(xs)


class Subtract(Merge):
    """The first of two inputs minus the second.

    Args:
        settings: name, dtype, trainable, activity_regularizer.

    Raises:
        ValueError: there are not two inputs, or their shapes do not broadcast.

    Example:
        >>> import numpy as np
        >>> Subtract()([np.array([[3.0, 2.0]]), np.array([[1.0, 5.0]])])
        array([[ 2., -3.]], dtype=float32)
    """

    def build(self, input_shape: Any) -> None:
        """Refuse another number of inputs, and shapes that do not broadcast."""
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must be 2; got {len(input_shape)} of shapes "
                f"{' and '.join(map(str, input_shape))}"
            )

    def merge(self, xs: list[Array]) -> Array:
        """The difference."""
        difference: Array = xs[0] - xs[1]
        return difference

    def shares(self, grad: Array, xs: list[Array], y: Array) -> list[Array]:
        """The gradient, and its negative."""
        return [grad, -grad]


class Multiply(Merge):
    """The product of the inputs, element by element; a masked step of one of them counts as 1.

    Args:
        settings: name, dtype, trainable, activity_regularizer.

    Raises:
        ValueError: the shapes of the inputs do not broadcast.

    Example:
        >>> import numpy as np
        >>> Multiply()([np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]])])
        array([[ 3., 12.]], dtype=float32)
    """

    neutral = 1.0

    def merge(self, xs: list[Array]) -> Array:
        """The product."""
        return reduce(mul, xs)

    def shares(self, grad: Array, xs: list[Array], y: Array) -> list[Array]:
        """The gradient times the other inputs, without a division: one may be 0."""
        return [reduce(mul, [grad, *xs[:i], *xs[i + 1 :]]) for i in range(len(xs))]


class Maximum(Merge):
    """The largest of the inputs, element by element; equal ones share the gradient.

    Args:
        settings: name, dtype, trainable, activity_regularizer.

    Raises:
        ValueError: the shapes of the inputs do not broadcast.

    Example:
        >>> import numpy as np
        >>> Maximum()([np.array([[1.0, 7.0]]), np.array([[3.0, 6.0]])])
        array([[3., 7.]], dtype=float32)
    """

    neutral = -np.inf

    def merge(self, xs: list[Array]) -> Array:
        """The largest; NaN where one is NaN."""
        return reduce(np.maximum, xs)

    def shares(self, grad: Array, xs: list[Array], y: Array) -> list[Array]:
        """The gradient for the inputs that gave the output, in equal parts."""
        chosen = [x == y for x in xs]
        count = np.maximum(sum(c.astype(grad.dtype) for c in chosen), grad.dtype.type(1))
        part = grad / count
        return [part * c for c in chosen]


class Minimum(Maximum):
    """The smallest of the inputs, element by element; equal ones share the gradient.

    Args:
        settings: name, dtype, trainable, activity_regularizer.

    Raises:
        ValueError: the shapes of the inputs do not broadcast.

    Example:
        >>> import numpy as np
        >>> Minimum()([np.array([[1.0, 7.0]]), np.array([[3.0, 6.0]])])
        array([[1., 6.]], dtype=float32)
    """

    neutral = np.inf

    def merge(self, xs: list[Array]) -> Array:
        """The smallest; NaN where one is NaN."""
        return reduce(np.minimum, xs)


class Concatenate(Merge):
    """The inputs one after another along an axis.

    Args:
        axis: of the inputs; not that of the samples.
        settings: name, dtype, trainable, activity_regularizer.

    Raises:
        ValueError: the shapes of the inputs differ on another axis, or there is no such axis.

    Example:
        >>> import numpy as np
        >>> Concatenate()([np.array([[1.0, 2.0]]), np.array([[3.0]])])
        array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **settings: Any) -> None:
        super().__init__(**settings)
        if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
            raise TypeError(f"{self.op}: axis must be an int; got {type(axis).__name__}")
        self.axis = int(axis)

    def build(self, input_shape: Any) -> None:
        """Refuse inputs that do not fit together."""
        self._check_list(input_shape)
        counts = {len(shape) for shape in input_shape}
        count = counts.pop()
        shapes = " and ".join(map(str, input_shape))
        if not -count <= self.axis < count or self.axis % count == 0:
            raise ValueError(
                f"{self.op} {self.name!r}: axis must be one of the inputs' but the first; "
                f"got {self.axis} for shapes {shapes}"
            )
        others = [[n for i, n in enumerate(shape) if i != self.axis % count] for shape in input_shape]
        fit = not counts and all(len({n for n in sizes if n is not None}) <= 1 for sizes in zip(*others))  # noqa: B905
        if not fit:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have equal shapes but on axis {self.axis}; "
                f"got shapes {shapes}"
            )

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The inputs' shape, with the sum of their sizes on the axis."""
        place = self.axis % len(input_shape[0])
        sizes: list[int | None] = []
        for axis, along in enumerate(zip(*input_shape, strict=True)):
            known = [n for n in along if n is not None]
            if axis == place:
                sizes.append(sum(known) if len(known) == len(along) else None)
            else:
                sizes.append(known[0] if known else None)
        return tuple(sizes)

    def forward(self, x: Any, *, training: bool = False, mask: Any = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        return array_module(x[0]).concatenate(x, axis=self.axis), [array.shape[self.axis] for array in x]

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> Any:
        """The gradients by the inputs."""
        library = array_module(grad)
        leading = (slice(None),) * (self.axis % grad.ndim)
        parts, begin = [], 0
        for size in saved:
            parts.append(library.ascontiguousarray(grad[(*leading, slice(begin, begin + size))]))
            begin += size
        return parts, []

    def compute_mask(self, x: Any, mask: Any) -> Array | None:
        """The masks one after another along the axis of the steps, else where any input counts; one without a mask
        counts everywhere."""
        if mask is None or all(m is None for m in mask):
            return None
        library = array_module(x[0])
        count = next(m.ndim for m in mask if m is not None)
        masks = [
            library.ones(a.shape[:count], bool) if m is None else m for a, m in zip(x, mask, strict=True)
        ]
        axis = self.axis % x[0].ndim
        result: Array = library.concatenate(masks, axis=axis) if axis < count else any_of(masks)
        return result

    def keeps_mask(self, masked: Sequence[bool]) -> bool:
        """Whether a mask goes out, if these inputs have one."""
        return any(masked)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "axis": self.axis}
