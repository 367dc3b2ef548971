"""Softmax along the last axis in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def log_softmax(x: NDArray[Any]) -> Float64:
    """x - log(sum(exp(x))).

    Example:
        >>> log_softmax(np.zeros(2)).round(6)
        array([-0.693147, -0.693147])
    """
    x = np.asarray(x, np.float64)
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def softmax(x: NDArray[Any]) -> Float64:
    """exp(x) / sum(exp(x)).

    Example:
        >>> softmax(np.zeros(2))
        array([0.5, 0.5])
    """
    x = np.asarray(x, np.float64)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def softmax_backward(grad: NDArray[Any], output: NDArray[Any]) -> Float64:
    """y (g - sum(g y)).

    Example:
        >>> softmax_backward(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
        array([ 0.25, -0.25])
    """
    g, y = np.asarray(grad, np.float64), np.asarray(output, np.float64)
    return np.asarray(y * (g - (g * y).sum(axis=-1, keepdims=True)))


def log_softmax_backward(grad: NDArray[Any], output: NDArray[Any]) -> Float64:
    """g - exp(y) sum(g).

    Example:
        >>> log_softmax_backward(np.array([1.0, 0.0]), np.log([0.5, 0.5])).round(6)
        array([ 0.5, -0.5])
    """
    g, y = np.asarray(grad, np.float64), np.asarray(output, np.float64)
    return np.asarray(g - np.exp(y) * g.sum(axis=-1, keepdims=True))
