"""LAMB steps."""

from __future__ import annotations

from .._backend import kernels
from ..rowgrad import RowGrad
from .update import Arrays, Count, Rate


def lamb_step(
    *,
    param: Arrays,
    grad: Arrays,
    moment1: Arrays,
    moment2: Arrays,
    learning_rate: Rate,
    step: Count,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    dialect: str = "torch",
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one LAMB step in place, on one array or on a list of arrays in one call.

    Adam's direction, scaled for each array by the ratio of the norms of the parameter and of the direction: each
    layer moves by the same share of its size. The ratio is 1 where one of the norms is 0. The norms need the whole
    of an array, so a `RowGrad` is refused.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read.
        moment1: like param, zeros before the first step; updated.
        moment2: like param, zeros before the first step; updated.
        learning_rate: multiplies the scaled direction; a number, or a CuPy float64 array without axes, read when the
            kernel runs.
        step: number of this step; the first is 1. A number, or a CuPy int64 array without axes.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: added to the corrected root of the second moment.
        dialect: where the decay stands: `"torch"` adds `weight_decay * param` to the direction, before its norm is
            taken, as the paper and optax do. `"keras"` takes `learning_rate * weight_decay` off the parameter first.
        weight_decay: one number, or a list with one per array.
        l2: coupled decay: the rule sees `grad_scale * grad + l2 * param`; 0 or more.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; a setting is
            out of range. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> param, moment1, moment2 = np.array([1.0, 2.0]), np.zeros(2), np.zeros(2)
        >>> lamb_step(param=param, grad=np.array([0.1, 0.1]), moment1=moment1, moment2=moment2,
        ...           learning_rate=0.1, step=1, weight_decay=0.01)
        >>> print(param.round(10))
        [0.84266692 1.84110915]

    References:
        You et al., Large batch optimization for deep learning: training BERT in 76 minutes, 2020.
    """
    if isinstance(grad, RowGrad):
        raise TypeError(
            "lamb_step: grad must be a numpy array, since the norms need the whole of it; got RowGrad; use to_dense"
        )
    settings = (learning_rate, step, beta1, beta2, eps, dialect, weight_decay, l2, grad_scale)
    kernels("lamb_step", param).lamb_step(param, grad, moment1, moment2, *settings)
