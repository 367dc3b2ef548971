"""The exact deferred Adam in float64: what a gap without gradients does to a row."""

from __future__ import annotations

from math import comb, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adam import adam_step

Float64 = NDArray[np.float64]


def deferred_adam_catch_up(
    param: NDArray[Any],
    moment1: NDArray[Any],
    moment2: NDArray[Any],
    *,
    start: int,
    learning_rates: list[float],
    **settings: Any,
) -> tuple[Float64, Float64, Float64]:
    """The state after the steps start + 1, start + 2, ..., one per rate, with gradients of 0.

    Example:
        >>> one = np.ones(1)
        >>> param, *_ = deferred_adam_catch_up(one, 0.1 * one, 0.001 * one, start=1, learning_rates=[0.1])
        >>> print(f"{param[0]:.6f}")
        0.932994
    """
    p, m, v = (np.asarray(a, np.float64) for a in (param, moment1, moment2))
    for step, rate in enumerate(learning_rates, start + 1):
        p, m, v, _ = adam_step(p, np.zeros_like(p), m, v, learning_rate=rate, step=step, **settings)
    return p, m, v


def gap_coefficients(
    start: int,
    degree: int,
    *,
    learning_rates: list[float],
    beta1: float,
    beta2: float,
    eps: float,
    eps_mode: str,
    weight_decay: float,
) -> tuple[Float64, float, float]:
    """C_0 ... C_P of the gap, its centre e*, and the product of its decays.

    Step n adds alpha_n beta1^j t_i, where t_i is the weight of u^i in 1 + r + ... + r^P for r = u a + (1 - u) d.

    Example:
        >>> c, centre, decay = gap_coefficients(1, 3, learning_rates=[0.1], beta1=0.9, beta2=0.999, eps=1e-7,
        ...                                     eps_mode="hat", weight_decay=0.0)
        >>> len(c), centre, decay
        (4, 1e-07, 1.0)
    """
    torch = eps_mode == "torch"
    root = sqrt(1 - beta2 ** (start + round(1 / (1 - beta1)))) if torch else 1.0
    c, product = np.zeros(degree + 1), 1.0
    for n, rate in enumerate(learning_rates, start + 1):
        j, c_n = n - start, sqrt(1 - beta2**n)
        a, d = 1 - beta2 ** (j / 2), 1 - c_n / root if torch else 0.0
        keep, alpha = 1 - rate * weight_decay, rate * c_n / (1 - beta1**n)
        for i in range(degree + 1):
            term = sum(comb(p, i) * d ** (p - i) * (a - d) ** i for p in range(i, degree + 1))
            c[i] = keep * c[i] + alpha * beta1**j * term
        product *= keep
    return c, eps * root, product
