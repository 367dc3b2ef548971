"""What a rule sees of a gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def seen_gradient(param: Float64, grad: Float64, l2: float, grad_scale: float) -> Float64:
    """`grad_scale * grad + l2 * param`; without l2 the parameter does not enter, were it infinite.

    Example:
        >>> seen_gradient(np.full(1, np.inf), np.ones(1), 0.0, 0.5)
        array([0.5])
    """
    return grad_scale * grad + l2 * param if l2 else grad_scale * grad
