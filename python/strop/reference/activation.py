"""Activations in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def softplus(x: Float64) -> Float64:
    """log(1 + exp(x)) without overflow."""
    return np.asarray(np.logaddexp(0.0, x))


def sigmoid(x: Float64) -> Float64:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(np.exp(-softplus(-x)))


def activation(x: NDArray[Any], *, name: str, **settings: float) -> Float64:
    """What `strop.ops.activation` computes.

    Example:
        >>> activation(np.array([-1.0, 2.0]), name="relu")
        array([0., 2.])
    """
    x = np.asarray(x, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(_FORMULAS[name](x, **settings), np.float64)


def _relu(x: Any, negative_slope: float = 0.0, max_value: float = math.inf, threshold: float = 0.0) -> Any:
    return np.minimum(np.where(x < threshold, negative_slope * (x - threshold) + 0.0, x), max_value)


def _gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


_FORMULAS: dict[str, Any] = {
    "linear": lambda x: x,
    "relu": _relu,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "elu": _elu,
    "exponential": np.exp,
    "gelu": lambda x: 0.5 * x * _erfc(-x / math.sqrt(2)),
    "gelu_tanh": _gelu_tanh,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "leaky_relu": lambda x, negative_slope=0.2: np.where(x < 0, negative_slope * x, x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "selu": lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
    "silu": lambda x: x * sigmoid(x),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
}


def activation_backward(grad: NDArray[Any], x: NDArray[Any], *, name: str, **settings: float) -> Float64:
    """The gradient by x, from a central difference of the formula itself.

    Example:
        >>> activation_backward(np.ones(1), np.array([3.0]), name="tanh").round(6)
        array([0.009866])
    """
    x = np.asarray(x, np.float64)
    step = 1e-6 * np.maximum(1, np.abs(x))
    high, low = activation(x + step, name=name, **settings), activation(x - step, name=name, **settings)
    return np.asarray(np.asarray(grad, np.float64) * (high - low) / ((x + step) - (x - step)))
