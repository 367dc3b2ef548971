"""The matrix product, its activations and its gradients in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def _activate(z: Float64, name: str | None) -> Float64:
    if name == "relu":
        return np.maximum(z, 0.0)
    if name == "sigmoid":
        # e^min(z, 0) is 1 or e^-|z|: nothing overflows.
        return np.asarray(np.exp(np.minimum(z, 0.0)) / (1 + np.exp(-np.abs(z))), np.float64)
    if name == "tanh":
        return np.tanh(z)
    return z


def _slope(y: Float64, name: str | None) -> Float64:
    """The derivative of the activation, from its value."""
    if name == "relu":
        return np.where(y > 0, 1.0, 0.0)
    if name == "sigmoid":
        return y * (1 - y)
    if name == "tanh":
        return 1 - y * y
    return np.ones_like(y)


def matmul(
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    bias: NDArray[Any] | None = None,
    activation: str | None = None,
) -> Float64:
    """activation(a b + bias): (M, K) (K, N) -> (M, N).

    Example:
        >>> matmul(np.array([[1, 2]]), np.array([[3], [4]]), bias=np.array([-20]), activation="relu")
        array([[0.]])
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    z = np.matmul(x.T if transpose_a else x, y.T if transpose_b else y)
    return _activate(z if bias is None else z + np.asarray(bias, np.float64), activation)


def matmul_backward(
    grad: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    output: NDArray[Any] | None = None,
    activation: str | None = None,
) -> tuple[Float64, Float64, Float64]:
    """(grad_a, grad_b, grad_bias) of output = activation(a b + bias).

    Example:
        >>> grad_a, grad_b, _ = matmul_backward(np.ones((1, 1)), np.array([[2, 3]]), np.array([[4], [5]]))
        >>> grad_a, grad_b.ravel()
        (array([[4., 5.]]), array([2., 3.]))
    """
    x, weight, dz = (np.asarray(array, np.float64) for array in (a, b, grad))
    if output is not None:
        dz = dz * _slope(np.asarray(output, np.float64), activation)
    return dz @ weight.T, x.T @ dz, dz.sum(axis=0)
