"""LAMB in float64."""

from __future__ import annotations

import numpy as np

from .gradient import seen_gradient
from .update import Array, Result, doubles


def lamb_step(
    param: Array,
    grad: Array,
    moment1: Array,
    moment2: Array,
    *,
    learning_rate: float,
    step: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    dialect: str = "torch",
    weight_decay: float = 0.0,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> Result:
    """The new (param, moment1, moment2).

    Example:
        >>> zero, settings = np.zeros(2), {"learning_rate": 0.1, "step": 1, "weight_decay": 0.01}
        >>> lamb_step(np.array([1.0, 2.0]), np.full(2, 0.1), zero, zero, **settings)[0].round(10)
        array([0.84266692, 1.84110915])
    """
    p, g, m, v = doubles(param, grad, moment1, moment2)
    g = seen_gradient(p, g, l2, grad_scale)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    direction = m / (1 - beta1**step) / (np.sqrt(v / (1 - beta2**step)) + eps)
    if dialect == "keras":
        p = p - learning_rate * weight_decay * p
    else:
        direction = direction + weight_decay * p
    norms = np.sqrt(np.sum(p * p)), np.sqrt(np.sum(direction * direction))
    ratio = 1.0 if 0 in norms else norms[0] / norms[1]
    return p - learning_rate * ratio * direction, m, v
