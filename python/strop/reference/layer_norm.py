"""Layer normalization in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def _float64(x: NDArray[Any] | None, otherwise: float) -> Any:
    return otherwise if x is None else np.asarray(x, np.float64)


def layer_norm(
    x: NDArray[Any], gamma: Any = None, beta: Any = None, *, axes: int = 1, epsilon: float = 1e-3
) -> tuple[Float64, Float64, Float64]:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axes; mean; biased variance.

    Example:
        >>> layer_norm(np.array([[1.0, 2.0, 3.0]]))[0].round(6)
        array([[-1.223827,  0.      ,  1.223827]])
    """
    x = np.asarray(x, np.float64)
    last = tuple(range(-axes, 0))
    mean, variance = x.mean(axis=last, keepdims=True), x.var(axis=last, keepdims=True)
    y = (x - mean) / np.sqrt(variance + epsilon) * _float64(gamma, 1.0) + _float64(beta, 0.0)
    return y, mean.reshape(x.shape[:-axes]), variance.reshape(x.shape[:-axes])


def layer_norm_backward(
    grad: NDArray[Any], x: NDArray[Any], gamma: Any = None, *, axes: int = 1, epsilon: float = 1e-3
) -> tuple[Float64, Float64, Float64]:
    """The gradients by x, gamma and beta.

    Example:
        >>> layer_norm_backward(np.ones((1, 3)), np.array([[1.0, 2.0, 3.0]]))[2]
        array([1., 1., 1.])
    """
    x, g = np.asarray(x, np.float64), np.asarray(grad, np.float64)
    last, first = tuple(range(-axes, 0)), tuple(range(x.ndim - axes))
    inverse = 1 / np.sqrt(x.var(axis=last, keepdims=True) + epsilon)
    scaled = (x - x.mean(axis=last, keepdims=True)) * inverse
    own = g * _float64(gamma, 1.0)
    share = own.mean(axis=last, keepdims=True)
    slope = (own * scaled).mean(axis=last, keepdims=True)
    return inverse * (own - share - scaled * slope), (g * scaled).sum(axis=first), g.sum(axis=first)
