"""Gradient descent steps, with momentum in two dialects."""

from __future__ import annotations

from .._backend import kernels
from ..rowgrad import RowGrad
from .update import Arrays, Rate


def sgd_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    velocity: Arrays | None = None,
    learning_rate: Rate,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float | list[float] = 0.0,
    dialect: str = "keras",
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one step of gradient descent in place, on one array or on a list of arrays in one call.

    Without momentum both dialects are `param -= learning_rate * grad`. With it, Keras keeps the learning rate in
    the velocity and torch does not, so they part as soon as the rate changes:

    | dialect | velocity | step | with nesterov |
    |---|---|---|---|
    | keras | `momentum v - learning_rate g` | `v` | `momentum v - learning_rate g` |
    | torch | `momentum v + (1 - dampening) g` | `-learning_rate v` | `-learning_rate (g + momentum v)` |

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        velocity: like param, zeros before the first step; updated. None: no momentum.
        learning_rate: step length; a number, or a CuPy float64 array without axes, read when the kernel runs.
        momentum: share of the velocity that is kept.
        dampening: torch's; the first step of a run takes 0, since torch starts with v = g.
        nesterov: look ahead along the new velocity.
        weight_decay: decoupled decay: `param *= 1 - learning_rate * weight_decay` first; one number, or a list with
            one per array.
        dialect: `"keras"` or `"torch"`.
        l2: coupled decay, torch's `weight_decay`: the rule sees `grad_scale * grad + l2 * param`; 0 or more. With a
            `RowGrad` only its rows see it.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count; a number, or an
            array as learning_rate may be.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; the
            dialect is unknown; momentum comes without velocity, or nesterov without momentum. Nothing has been
            written then.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> sgd_step(param=param, grad=np.array([0.1]), learning_rate=0.1)
        >>> print(param)
        [0.99]
    """
    settings = (velocity, learning_rate, momentum, dampening, nesterov, weight_decay, dialect, l2, grad_scale)
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        kernels("sgd_step", param).sgd_rows(param, once.values, once.rows, *settings)
    else:
        kernels("sgd_step", param).sgd_step(param, grad, *settings)
