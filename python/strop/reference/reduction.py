"""Reductions in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Axis = int | tuple[int, ...] | None


def sum(x: NDArray[Any], *, axis: Axis = None) -> Any:
    """The sum.

    Example:
        >>> float(sum(np.ones(3)))
        3.0
    """
    return np.sum(np.asarray(x, np.float64), axis=axis)


def mean(x: NDArray[Any], *, axis: Axis = None) -> Any:
    """The mean.

    Example:
        >>> float(mean(np.arange(3)))
        1.0
    """
    return np.mean(np.asarray(x, np.float64), axis=axis)


def max(x: NDArray[Any], *, axis: Axis = None) -> Any:
    """The greatest element; NaN where there is one.

    Example:
        >>> float(max(np.arange(3)))
        2.0
    """
    return np.max(np.asarray(x, np.float64), axis=axis)


def norm(x: NDArray[Any], *, axis: Axis = None) -> Any:
    """The Euclidean norm.

    Example:
        >>> float(norm(np.array([3, 4])))
        5.0
    """
    return np.sqrt(np.sum(np.asarray(x, np.float64) ** 2, axis=axis))


def argmax(x: NDArray[Any], *, axis: int | None = None) -> Any:
    """The place of the greatest element.

    Example:
        >>> int(argmax(np.array([1, 5, 2])))
        1
    """
    return np.argmax(np.asarray(x, np.float64), axis=axis)
