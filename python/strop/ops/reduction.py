"""Sums, means, maxima and norms along axes, in a fixed order: the same bits on any number of threads."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None


def sum(x: Array, *, axis: Axis = None) -> Any:
    """The sum along one axis, several, or all.

    Blocks of 4,096 elements are summed in 16 lanes, their sums added in double.

    Args:
        x: float32 or float64, any shape.
        axis: an axis, a tuple of axes, or None for all.

    Returns:
        An array of x's dtype without those axes; a scalar if none is left. An empty sum is 0.

    Raises:
        TypeError: x is no float array.
        ValueError: an axis is out of range or named twice, or x is strided.

    Example:
        >>> import numpy as np
        >>> sum(np.arange(6.0).reshape(2, 3), axis=0)
        array([3., 5., 7.])
    """
    return kernels("sum", x).sum(x, axis)


def mean(x: Array, *, axis: Axis = None) -> Any:
    """The mean along one axis, several, or all. The mean of nothing is NaN.

    Args:
        x: float32 or float64, any shape.
        axis: an axis, a tuple of axes, or None for all.

    Returns:
        An array of x's dtype without those axes; a scalar if none is left.

    Raises:
        TypeError: x is no float array.
        ValueError: an axis is out of range or named twice, or x is strided.

    Example:
        >>> import numpy as np
        >>> float(mean(np.arange(6.0)))
        2.5
    """
    return kernels("mean", x).mean(x, axis)


def max(x: Array, *, axis: Axis = None) -> Any:
    """The greatest element along one axis, several, or all; NaN where there is one.

    Args:
        x: float32 or float64, any shape.
        axis: an axis, a tuple of axes, or None for all.

    Returns:
        An array of x's dtype without those axes; a scalar if none is left.

    Raises:
        TypeError: x is no float array.
        ValueError: an axis is out of range, named twice or empty, or x is strided.

    Example:
        >>> import numpy as np
        >>> max(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
        array([5., 7.])
    """
    return kernels("max", x).max(x, axis)


def norm(x: Array, *, axis: Axis = None) -> Any:
    """The Euclidean norm, `sqrt(sum(x^2))`, along one axis, several, or all.

    Args:
        x: float32 or float64, any shape.
        axis: an axis, a tuple of axes, or None for all.

    Returns:
        An array of x's dtype without those axes; a scalar if none is left.

    Raises:
        TypeError: x is no float array.
        ValueError: an axis is out of range or named twice, or x is strided.

    Example:
        >>> import numpy as np
        >>> float(norm(np.array([3.0, 4.0])))
        5.0
    """
    return kernels("norm", x).norm(x, axis)


def argmax(x: Any, *, axis: int | None = None) -> Any:
    """Where the greatest element stands; the first of equals, and the first NaN before all.

    Args:
        x: float32 or float64, any shape.
        axis: an axis, or None for the flattened array.

    Returns:
        int64, without that axis; a scalar if none is left.

    Raises:
        TypeError: x is no float array, or axis no integer.
        ValueError: the axis is out of range or empty, or x is strided.

    Example:
        >>> import numpy as np
        >>> argmax(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
        array([1, 0])
    """
    return kernels("argmax", x).argmax(x, axis)
