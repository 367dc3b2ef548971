"""Other shapes for the same numbers: Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module
from .base import Grads, Layer, Shape
from .core import whole_number

Array = NDArray[Any]


class Reshape(Layer):
    """Every sample in another shape, its numbers in the same order.

    Args:
        target_shape: of one sample; one entry may be -1 and is worked out.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        ValueError: target_shape has a wrong entry, or does not hold as many numbers as a sample.

    Example:
        >>> import numpy as np
        >>> Reshape((3, -1))(np.zeros((2, 12))).shape
        (2, 3, 4)
    """

    def __init__(self, target_shape: Sequence[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.target_shape = _whole_numbers(self.op, "target_shape", target_shape)
        if min(self.target_shape, default=0) < -1 or self.target_shape.count(-1) > 1:
            raise ValueError(
                f"{self.op}: target_shape must be sizes, one of which may be -1; got {self.target_shape}"
            )

    def build(self, input_shape: Shape) -> None:
        """Refuse a shape that does not hold the numbers of a sample."""
        size, given = _size(input_shape[1:]), math.prod(n for n in self.target_shape if n != -1)
        if size is None:
            return
        fits = given == size if -1 not in self.target_shape else given > 0 and size % given == 0
        if not fits:
            raise ValueError(
                f"{self.op} {self.name!r}: target_shape {self.target_shape} must hold the numbers of a sample; "
                f"got shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The batch axis and target_shape."""
        size, given = _size(input_shape[1:]), math.prod(n for n in self.target_shape if n != -1)
        left = None if size is None or not given else size // given
        return (input_shape[0], *(left if n == -1 else n for n in self.target_shape))

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        shape: Any = self.compute_output_shape(x.shape)
        if _size(shape) != x.size:  # the sample's shape was not known when the layer was built
            raise ValueError(
                f"{self.op} {self.name!r}: target_shape {self.target_shape} must hold the numbers of a sample; "
                f"got shape {x.shape}"
            )
        return x.reshape(shape), x.shape

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        return grad.reshape(saved), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "target_shape": list(self.target_shape)}


class Permute(Layer):
    """The axes of every sample in another order.

    Args:
        dims: the axis, counted from 1, that comes first, second, ...: `(2, 1)` swaps two.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        ValueError: dims are not the numbers from 1, each once, or not as many as a sample has axes.

    Example:
        >>> import numpy as np
        >>> Permute((2, 1))(np.zeros((5, 3, 4))).shape
        (5, 4, 3)
    """

    fixed_rank = True

    def __init__(self, dims: Sequence[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.dims = _whole_numbers(self.op, "dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"{self.op}: dims must be the numbers from 1, each once; got {self.dims}")
        self._order = (0, *self.dims)

    def build(self, input_shape: Shape) -> None:
        """Refuse inputs with another number of axes."""
        if len(input_shape) != len(self._order):
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have {len(self._order)} axes; got shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The sizes in the new order."""
        return tuple(input_shape[axis] for axis in self._order)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        library = array_module(x)
        return library.ascontiguousarray(library.transpose(x, self._order)), None

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        library = array_module(grad)
        return library.ascontiguousarray(library.transpose(grad, np.argsort(self._order).tolist())), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "dims": list(self.dims)}


class RepeatVector(Layer):
    """Every row n times: (N, D) becomes (N, n, D).

    Args:
        n: how often.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        ValueError: n is not 1 or more, or the inputs have not 2 axes.

    Example:
        >>> import numpy as np
        >>> RepeatVector(2)(np.array([[1.0, 2.0]]))
        array([[[1., 2.],
                [1., 2.]]], dtype=float32)
    """

    fixed_rank = True

    def __init__(self, n: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.n = whole_number(self.op, "n", n)

    def build(self, input_shape: Shape) -> None:
        """Refuse inputs that are not rows."""
        if len(input_shape) != 2:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have 2 axes (N, D); got shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, n, D)."""
        return (input_shape[0], self.n, input_shape[1])

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        library = array_module(x)
        rows = library.broadcast_to(x[:, None], (len(x), self.n, x.shape[1]))
        return library.ascontiguousarray(rows), None

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        return grad.sum(axis=1), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "n": self.n}


def _whole_numbers(op: str, name: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, list | tuple):
        raise TypeError(f"{op}: {name} must be a tuple of ints; got {values!r}")
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in values):
        raise TypeError(f"{op}: {name} must be a tuple of ints; got {values!r}")
    return tuple(int(n) for n in values)


def _size(shape: Sequence[int | None]) -> int | None:
    """How many numbers a shape holds, or None where an axis is not known."""
    return None if None in shape else math.prod(n for n in shape if n is not None)
