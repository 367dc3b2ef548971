"""What an initializer is, and those that draw nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import config
from .._names import Configurable, check_number

Array = NDArray[Any]
Shape = Sequence[int]


class Initializer(Configurable):
    """First values of a weight: `initializer(shape, dtype=None)` gives a new array.

    A class of one's own defines `__call__` and, to be saved, `get_config`.
    """

    def __call__(self, shape: Shape, dtype: Any = None) -> Array:
        """A new array of this shape; dtype None is the default float type."""
        raise NotImplementedError(f"{type(self).__name__}: __call__ must be defined by the class")


def float_type(dtype: Any) -> np.dtype[Any]:
    """The dtype, or the default float type for None."""
    return np.dtype(config.floatx() if dtype is None else dtype)


class Constant(Initializer):
    """Every weight has one value.

    Example:
        >>> Constant(2.0)((2,))
        array([2., 2.], dtype=float32)
    """

    def __init__(self, value: float = 0.0) -> None:
        self.value = check_number("Constant", "value", value)

    def __call__(self, shape: Shape, dtype: Any = None) -> Array:
        """An array of the value."""
        return np.full(tuple(shape), self.value, float_type(dtype))


class Zeros(Initializer):
    """Zeros."""

    def __call__(self, shape: Shape, dtype: Any = None) -> Array:
        """An array of zeros."""
        return np.zeros(tuple(shape), float_type(dtype))


class Ones(Initializer):
    """Ones."""

    def __call__(self, shape: Shape, dtype: Any = None) -> Array:
        """An array of ones."""
        return np.ones(tuple(shape), float_type(dtype))


class Identity(Initializer):
    """The identity matrix, times gain; a matrix that is not square is filled up with zeros.

    Example:
        >>> Identity(2.0)((2, 3), "float64")
        array([[2., 0., 0.],
               [0., 2., 0.]])
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = check_number("Identity", "gain", gain)

    def __call__(self, shape: Shape, dtype: Any = None) -> Array:
        """The matrix."""
        if len(shape) != 2:
            raise ValueError(f"Identity: shape must have 2 axes; got {tuple(shape)}")
        return self.gain * np.eye(*shape, dtype=float_type(dtype))
