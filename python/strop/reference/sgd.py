"""Gradient descent in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gradient import seen_gradient

Float64 = NDArray[np.float64]


def sgd_step(
    param: NDArray[Any],
    grad: NDArray[Any],
    velocity: NDArray[Any] | None = None,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    dialect: str = "keras",
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> tuple[Float64, Float64 | None]:
    """The new (param, velocity).

    Example:
        >>> sgd_step(np.ones(1), np.full(1, 0.1), learning_rate=0.1)[0]
        array([0.99])
    """
    p, g = np.asarray(param, np.float64), np.asarray(grad, np.float64)
    g = seen_gradient(p, g, l2, grad_scale)
    p = (1 - learning_rate * weight_decay) * p
    if velocity is None:
        return p - learning_rate * g, None
    v = np.asarray(velocity, np.float64)
    if dialect == "keras":
        v = momentum * v - learning_rate * g
        return p + (momentum * v - learning_rate * g if nesterov else v), v
    v = momentum * v + (1 - dampening) * g
    return p - learning_rate * (g + momentum * v if nesterov else v), v
