"""Gradients held below a bound: their values, their norms, or the norm of all together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..rowgrad import RowGrad

Array = NDArray[Any]
Grad = Array | RowGrad | None


def norm_of(grad: Array | RowGrad) -> float:
    """The Euclidean norm, of a RowGrad after summing."""
    return grad.norm() if isinstance(grad, RowGrad) else float(ops.norm(grad))


def clip(
    grads: list[Grad], clipvalue: float | None, clipnorm: float | None, global_clipnorm: float | None
) -> list[Grad]:
    """Clipped gradients; at most one of the bounds is set, and 0 counts as not set, as in Keras."""
    if clipnorm:
        return [g if g is None else _to_norm(g, norm_of(g), clipnorm) for g in grads]
    if global_clipnorm:
        total = math.sqrt(sum(norm_of(g) ** 2 for g in grads if g is not None))
        # One gradient that is not finite spoils all of them, as in Keras: nothing hides it.
        bound = global_clipnorm if math.isfinite(total) else math.nan
        return [g if g is None else _to_norm(g, total, bound) for g in grads]
    if clipvalue:
        return [g if g is None else _to_value(g, clipvalue) for g in grads]
    return grads


def _to_norm(grad: Array | RowGrad, norm: float, bound: float) -> Array | RowGrad:
    if norm <= bound:
        return grad
    factor = grad.dtype.type(bound / norm)
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        return RowGrad.trusted(once.rows, once.values * factor, once.shape)
    return np.asarray(grad * factor)


def _to_value(grad: Array | RowGrad, bound: float) -> Array | RowGrad:
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        return RowGrad.trusted(once.rows, np.clip(once.values, -bound, bound), once.shape)
    return np.asarray(np.clip(grad, -bound, bound))
