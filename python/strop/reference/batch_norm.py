"""Batch and group normalization in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def _parameter(x: Any, otherwise: float) -> Any:
    return otherwise if x is None else np.asarray(x, np.float64)


def _counted(x: Float64, mask: NDArray[np.bool_] | None) -> Float64:
    """The rows that count, (rows, channels)."""
    return x.reshape(-1, x.shape[-1]) if mask is None else x[mask]


def batch_norm(
    x: NDArray[Any],
    gamma: Any = None,
    beta: Any = None,
    *,
    mask: NDArray[np.bool_] | None = None,
    epsilon: float = 1e-3,
) -> tuple[Float64, Float64, Float64]:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta; mean; biased variance: over all axes but the last.

    Example:
        >>> batch_norm(np.array([[1.0], [5.0]]))[0].round(6)
        array([[-0.999875],
               [ 0.999875]])
    """
    x = np.asarray(x, np.float64)
    counted = _counted(x, mask)
    mean, variance = counted.mean(axis=0), counted.var(axis=0)
    return batch_norm_inference(x, mean, variance, gamma, beta, epsilon=epsilon), mean, variance


def batch_norm_inference(
    x: NDArray[Any], mean: Any, variance: Any, gamma: Any = None, beta: Any = None, *, epsilon: float = 1e-3
) -> Float64:
    """The same with a mean and a variance that are given.

    Example:
        >>> batch_norm_inference(np.array([[1.0], [5.0]]), np.array([0.03]), np.array([1.03])).round(6)
        array([[0.955306],
               [4.894711]])
    """
    x, mean, variance = (np.asarray(each, np.float64) for each in (x, mean, variance))
    y = (x - mean) / np.sqrt(variance + epsilon) * _parameter(gamma, 1.0) + _parameter(beta, 0.0)
    return np.asarray(y)


def batch_norm_backward(
    grad: NDArray[Any],
    x: NDArray[Any],
    gamma: Any = None,
    *,
    mask: NDArray[np.bool_] | None = None,
    epsilon: float = 1e-3,
) -> tuple[Float64, Float64, Float64]:
    """The gradients by x, gamma and beta.

    Example:
        >>> batch_norm_backward(np.array([[1.0], [2.0]]), np.array([[1.0], [5.0]]))[1].round(6)
        array([0.999875])
    """
    x, g = np.asarray(x, np.float64), np.asarray(grad, np.float64)
    counted = _counted(x, mask)
    inverse = 1 / np.sqrt(counted.var(axis=0) + epsilon)
    scaled = (x - counted.mean(axis=0)) * inverse
    before = tuple(range(x.ndim - 1))
    by_gamma, by_beta = (g * scaled).sum(axis=before), g.sum(axis=before)
    through = (by_beta + scaled * by_gamma) / max(len(counted), 1)  # by the statistics: to rows that count
    if mask is not None:
        through = np.where(mask[..., None], through, 0)
    return inverse * _parameter(gamma, 1.0) * (g - through), by_gamma, by_beta


def _grouped(x: NDArray[Any], groups: int) -> Float64:
    """(N, places, groups, channels of a group)."""
    return np.asarray(x, np.float64).reshape(len(x), -1, groups, x.shape[-1] // groups)


def group_norm(
    x: NDArray[Any], gamma: Any = None, beta: Any = None, *, groups: int, epsilon: float = 1e-3
) -> tuple[Float64, Float64, Float64]:
    """Normalized over the places and the channels of a group, of each sample; mean; biased variance, (N, groups).

    Example:
        >>> group_norm(np.array([[1.0, 3.0, 5.0, 5.0]]), groups=2, epsilon=0.0 + 1e-12)[0].round(6) + 0
        array([[-1.,  1.,  0.,  0.]])
    """
    parts = _grouped(x, groups)
    mean, variance = parts.mean(axis=(1, 3), keepdims=True), parts.var(axis=(1, 3), keepdims=True)
    y = ((parts - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)
    y = y * _parameter(gamma, 1.0) + _parameter(beta, 0.0)
    return y, mean.reshape(len(x), groups), variance.reshape(len(x), groups)


def group_norm_backward(
    grad: NDArray[Any], x: NDArray[Any], gamma: Any = None, *, groups: int, epsilon: float = 1e-3
) -> tuple[Float64, Float64, Float64]:
    """The gradients by x, gamma and beta.

    Example:
        >>> group_norm_backward(np.ones((1, 2)), np.array([[1.0, 3.0]]), groups=1)[2]
        array([1., 1.])
    """
    parts, g = _grouped(x, groups), np.asarray(grad, np.float64)
    over: Any = {"axis": (1, 3), "keepdims": True}
    inverse = 1 / np.sqrt(parts.var(**over) + epsilon)
    scaled = (parts - parts.mean(**over)) * inverse
    own = _grouped(g * _parameter(gamma, 1.0), groups)
    grad_x = inverse * (own - own.mean(**over) - scaled * (own * scaled).mean(**over))
    before = tuple(range(x.ndim - 1))
    return grad_x.reshape(x.shape), (g * scaled.reshape(x.shape)).sum(axis=before), g.sum(axis=before)
