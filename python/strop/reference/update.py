"""Optimizer rules that work element by element, in float64: RMSprop, Adagrad, Adadelta, Rprop.

Each takes the parameter, the gradient and the states, all of one shape, and returns the new parameter and states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gradient import seen_gradient

Array = NDArray[Any]
Float64 = NDArray[np.float64]
Result = tuple[Float64, ...]


def doubles(*arrays: Array) -> list[Float64]:
    """The arrays in float64."""
    return [np.asarray(array, np.float64) for array in arrays]


def kept(p: Float64, learning_rate: float, weight_decay: float) -> Float64:
    """The parameter after decoupled decay."""
    return (1 - learning_rate * weight_decay) * p if weight_decay else p


def root(x: Float64, eps: float, dialect: str) -> Float64:
    """The root of x with eps inside or outside of it."""
    return np.sqrt(x + eps) if dialect == "keras" else np.sqrt(x) + eps


def rmsprop_step(
    param: Array,
    grad: Array,
    mean_square: Array,
    mean_grad: Array | None = None,
    velocity: Array | None = None,
    *,
    learning_rate: float,
    rho: float = 0.9,
    momentum: float = 0.0,
    eps: float = 1e-7,
    dialect: str = "keras",
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> tuple[Float64, Float64, Float64 | None, Float64 | None]:
    """The new (param, mean_square, mean_grad, velocity).

    Example:
        >>> rmsprop_step(np.ones(1), np.full(1, 0.1), np.zeros(1), learning_rate=0.1)[0].round(10)
        array([0.68378804])
    """
    p, g, v = doubles(param, grad, mean_square)
    g = seen_gradient(p, g, l2, grad_scale)
    v = rho * v + (1 - rho) * g * g
    spread, m, u = v, None, None
    if mean_grad is not None:
        m = rho * np.asarray(mean_grad, np.float64) + (1 - rho) * g
        spread = v - m * m
    scaled = g / root(spread, eps, dialect)
    p = kept(p, learning_rate, weight_decay)
    if velocity is None:
        return p - learning_rate * scaled, v, m, None
    u = momentum * np.asarray(velocity, np.float64)
    if dialect == "keras":
        u = u + learning_rate * scaled
        return p - u, v, m, u
    u = u + scaled
    return p - learning_rate * u, v, m, u


def adagrad_step(
    param: Array,
    grad: Array,
    sum_square: Array,
    *,
    learning_rate: float,
    eps: float = 1e-7,
    dialect: str = "keras",
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, sum_square).

    Example:
        >>> adagrad_step(np.ones(1), np.full(1, 0.1), np.full(1, 0.1), learning_rate=0.1)[0].round(10)
        array([0.96984888])
    """
    p, g, s = doubles(param, grad, sum_square)
    g = seen_gradient(p, g, l2, grad_scale)
    s = s + g * g
    return kept(p, learning_rate, weight_decay) - learning_rate * g / root(s, eps, dialect), s


def adadelta_step(
    param: Array,
    grad: Array,
    mean_square: Array,
    mean_square_move: Array,
    *,
    learning_rate: float,
    rho: float = 0.95,
    eps: float = 1e-7,
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, mean_square, mean_square_move).

    Example:
        >>> zero = np.zeros(1)
        >>> adadelta_step(np.ones(1), np.full(1, 0.1), zero, zero, learning_rate=0.1)[0].round(10)
        array([0.99985859])
    """
    p, g, v, u = doubles(param, grad, mean_square, mean_square_move)
    g = seen_gradient(p, g, l2, grad_scale)
    v = rho * v + (1 - rho) * g * g
    move = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    u = rho * u + (1 - rho) * move * move
    return kept(p, learning_rate, weight_decay) - learning_rate * move, v, u


def rprop_step(
    param: Array,
    grad: Array,
    previous_grad: Array,
    step_size: Array,
    *,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, previous_grad, step_size); a NaN has sign 0, as in torch.

    Example:
        >>> rprop_step(np.ones(1), np.full(1, 0.1), np.zeros(1), np.full(1, 0.1))[0]
        array([0.9])
    """
    p, g, before, size = doubles(param, grad, previous_grad, step_size)
    g = grad_scale * g
    product = g * before
    factor = np.where(product > 0, etas[1], np.where(product < 0, etas[0], 1.0))
    size = np.minimum(np.maximum(size * factor, step_sizes[0]), step_sizes[1])
    g = np.where(product < 0, 0.0, g)
    return p - np.where(np.isnan(g), 0.0, np.sign(g)) * size, g, size
