"""Adam, AdamW and AMSGrad in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gradient import seen_gradient

Float64 = NDArray[np.float64]


def adam_step(
    param: NDArray[Any],
    grad: NDArray[Any],
    moment1: NDArray[Any],
    moment2: NDArray[Any],
    max_moment2: NDArray[Any] | None = None,
    *,
    learning_rate: float,
    step: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-7,
    eps_mode: str = "hat",
    weight_decay: float = 0.0,
    bias_correction: bool = True,
    l2: float = 0.0,
    grad_scale: float = 1.0,
) -> tuple[Float64, Float64, Float64, Float64 | None]:
    """The new (param, moment1, moment2, max_moment2), all of param's shape.

    Example:
        >>> one, zero = np.ones(1), np.zeros(1)
        >>> param, *_ = adam_step(one, 0.1 * one, zero, zero, learning_rate=0.1, step=1)
        >>> print(f"{param[0]:.10f}")
        0.9000031622
    """
    p, g, m, v = (np.asarray(a, np.float64) for a in (param, grad, moment1, moment2))
    g = seen_gradient(p, g, l2, grad_scale)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    v_max = None if max_moment2 is None else np.maximum(np.asarray(max_moment2, np.float64), v)
    c1 = 1 - beta1**step if bias_correction else 1.0
    c2 = 1 - beta2**step if bias_correction else 1.0
    root = np.sqrt((v if v_max is None else v_max) / c2)
    e = eps / np.sqrt(c2) if eps_mode == "hat" else eps
    p = (1 - learning_rate * weight_decay) * p - learning_rate / c1 * m / (root + e)
    return p, m, v, v_max
