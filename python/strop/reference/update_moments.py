"""Optimizer rules with a first moment that work element by element, in float64: Adamax, NAdam, RAdam, Lion."""

from __future__ import annotations

import numpy as np

from .gradient import seen_gradient
from .update import Array, Result, doubles, kept


def adamax_step(
    param: Array,
    grad: Array,
    moment1: Array,
    max_grad: Array,
    *,
    learning_rate: float,
    step: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-7,
    dialect: str = "keras",
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, moment1, max_grad).

    Example:
        >>> zero = np.zeros(1)
        >>> adamax_step(np.ones(1), np.full(1, 0.1), zero, zero, learning_rate=0.1, step=1)[0].round(7)
        array([0.9000001])
    """
    p, g, m, u = doubles(param, grad, moment1, max_grad)
    g = seen_gradient(p, g, l2, grad_scale)
    m = beta1 * m + (1 - beta1) * g
    u = np.maximum(beta2 * u, np.abs(g) + (eps if dialect == "torch" else 0))
    below = u + eps if dialect == "keras" else u
    p = kept(p, learning_rate, weight_decay) - learning_rate / (1 - beta1**step) * m / below
    return p, m, u


def nadam_step(
    param: Array,
    grad: Array,
    moment1: Array,
    moment2: Array,
    *,
    learning_rate: float,
    step: int,
    mu_product: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-7,
    momentum_decay: float = 1.0,
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, moment1, moment2); mu_product is the product of mu over the steps before.

    Example:
        >>> zero, settings = np.zeros(1), {"learning_rate": 0.1, "step": 1, "mu_product": 1.0}
        >>> nadam_step(np.ones(1), np.full(1, 0.1), zero, zero, **settings)[0].round(10)
        array([0.89372133])
    """
    p, g, m, v = doubles(param, grad, moment1, moment2)
    g = seen_gradient(p, g, l2, grad_scale)
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in (step, step + 1))
    product = mu_product * mu
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    ahead = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
    p = kept(p, learning_rate, weight_decay) - learning_rate * ahead / (np.sqrt(v / (1 - beta2**step)) + eps)
    return p, m, v


def radam_step(
    param: Array,
    grad: Array,
    moment1: Array,
    moment2: Array,
    *,
    learning_rate: float,
    step: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, moment1, moment2).

    Example:
        >>> zero = np.zeros(1)
        >>> radam_step(np.ones(1), np.full(1, 0.1), zero, zero, learning_rate=0.1, step=1)[0]
        array([0.99])
    """
    p, g, m, v = doubles(param, grad, moment1, moment2)
    g = seen_gradient(p, g, l2, grad_scale)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / (1 - beta2**step)
    move = m / (1 - beta1**step)
    if length > 5:
        shortened = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        move = move * np.sqrt(shortened * (1 - beta2**step)) / (np.sqrt(v) + eps)
    return kept(p, learning_rate, weight_decay) - learning_rate * move, m, v


def lion_step(
    param: Array,
    grad: Array,
    moment1: Array,
    *,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, moment1).

    Example:
        >>> lion_step(np.ones(1), np.full(1, 0.1), np.zeros(1), learning_rate=0.1)[0]
        array([0.9])
    """
    p, g, m = doubles(param, grad, moment1)
    g = seen_gradient(p, g, l2, grad_scale)
    p = kept(p, learning_rate, weight_decay) - learning_rate * np.sign(beta1 * m + (1 - beta1) * g)
    return p, beta2 * m + (1 - beta2) * g
