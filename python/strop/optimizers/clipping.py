"""Gradients held below a bound: their values, their norms, or the norm of all together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._backend import array_module, on_gpu
from ..rowgrad import RowGrad

Array = NDArray[Any]
Grad = Array | RowGrad | None


def norm_of(grad: Array | RowGrad) -> float:
    """The Euclidean norm, of a RowGrad after summing."""
    return grad.norm() if isinstance(grad, RowGrad) else float(ops.norm(grad))


def clip(
    grads: list[Grad],
    scale: float,
    clipvalue: float | None,
    clipnorm: float | None,
    global_clipnorm: float | None,
) -> tuple[list[Grad], float]:
    """Gradients and the factor of all of them, clipped, from the same before.

    At most one of the bounds is set, and 0 counts as not set, as in Keras.
    """
    if clipnorm:
        return [g if g is None else _to_norm(g, norm_of(g) * scale, clipnorm) for g in grads], scale
    if global_clipnorm:
        norm = scale * math.sqrt(sum(norm_of(g) ** 2 for g in grads if g is not None))
        if not math.isfinite(norm):  # one gradient that is not finite spoils all of them, as in Keras
            return grads, math.nan
        return grads, scale * min(1.0, global_clipnorm / norm) if norm else scale
    if clipvalue:
        return [g if g is None else _to_value(g, clipvalue / scale) for g in grads], scale
    return grads, scale


def _to_norm(grad: Array | RowGrad, norm: float, bound: float) -> Array | RowGrad:
    if norm <= bound:
        return grad
    factor = bound / norm
    return grad.scaled(factor) if isinstance(grad, RowGrad) else as_array(grad * grad.dtype.type(factor))


def _to_value(grad: Array | RowGrad, bound: float) -> Array | RowGrad:
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        values = array_module(once.values).clip(once.values, -bound, bound)
        return RowGrad.trusted(once.rows, values, once.shape)
    return as_array(array_module(grad).clip(grad, -bound, bound))


def as_array(value: Any) -> Array:
    """NumPy makes a scalar of what has no axes; CuPy does not."""
    made: Array = value if on_gpu(value) else np.asarray(value)
    return made
