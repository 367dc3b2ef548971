"""Sums, means, maxima and norms along axes, in a fixed order: the same bits on any number of threads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]
Axis = int | tuple[int, ...] | None


def _axes(op: str, x: Array, axis: Axis) -> tuple[int, ...]:
    """The axes to reduce, from 0, ascending."""
    if axis is None:
        return tuple(range(x.ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for each in axes:
        if not -x.ndim <= each < x.ndim:
            raise ValueError(f"{op}: axis must lie in [{-x.ndim}, {x.ndim}); got {each}")
    found = tuple(sorted(each % x.ndim for each in axes))
    if len(set(found)) != len(found):
        raise ValueError(f"{op}: axis must name each axis once; got {axis}")
    return found


def _runs(axes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Runs of neighbouring axes as (first, last + 1), the last run first."""
    runs: list[tuple[int, int]] = []
    for axis in axes:
        if runs and runs[-1][1] == axis:
            runs[-1] = (runs[-1][0], axis + 1)
        else:
            runs.append((axis, axis + 1))
    return runs[::-1]


def _reduce(op: str, x: Any, axis: Axis, kind: str) -> Array:
    """`x` reduced, in float64, the reduced axes gone."""
    module = kernels(op, x)
    if not isinstance(x, np.ndarray):
        return module.reduce(op, x, 1, 1, 1, kind)  # type: ignore[no-any-return]  # it raises
    axes = _axes(op, x, axis)
    if not axes:  # nothing to reduce along: one element each
        flat = module.reduce(op, x, x.size, 1, 1, kind)
        return np.reshape(flat, x.shape)
    result, shape = x, x.shape
    for first, last in _runs(axes):
        outer, extent, inner = (math.prod(part) for part in (shape[:first], shape[first:last], shape[last:]))
        result = module.reduce(op, result, outer, extent, inner, kind)
        shape = shape[:first] + shape[last:]
        kind = "sum" if kind == "squares" else kind
    return result.reshape(shape)


def _finish(x: Array, result: Array) -> Any:
    return result.astype(x.dtype)[()]


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
    return _finish(x, _reduce("sum", x, axis, "sum"))


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
    total = _reduce("mean", x, axis, "sum")
    count = math.prod(x.shape[a] for a in _axes("mean", x, axis))
    return _finish(x, total / count if count else np.full_like(total, np.nan))


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
    return _finish(x, _reduce("max", x, axis, "max"))


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
    return _finish(x, np.sqrt(_reduce("norm", x, axis, "squares")))


def argmax(x: Any, *, axis: int | None = None) -> Any:
    """Where the greatest element stands; the first of equals, and the first NaN before all.

    Args:
        x: float32 or float64, any shape.
        axis: an axis, or None for the flattened array.

    Returns:
        int64, without that axis; a scalar if none is left.

    Raises:
        TypeError: x is no float array.
        ValueError: the axis is out of range or empty, or x is strided.

    Example:
        >>> import numpy as np
        >>> argmax(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
        array([1, 0])
    """
    module = kernels("argmax", x)
    if not isinstance(x, np.ndarray):
        return module.argmax(x, 1, 1, 1)  # it raises
    axes = _axes("argmax", x, axis)
    first, last = (axes[0], axes[-1] + 1) if axes else (0, 0)
    shape = x.shape
    outer, extent, inner = (math.prod(part) for part in (shape[:first], shape[first:last], shape[last:]))
    return module.argmax(x, outer, extent, inner).reshape(shape[:first] + shape[last:])[()]
