"""What happens to gradients before the update: accumulation and clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..rowgrad import RowGrad

Array = NDArray[Any]
Grad = Array | RowGrad | None


def norm_of(grad: Array | RowGrad) -> float:
    """The Euclidean norm, of a RowGrad after summing."""
    return grad.norm() if isinstance(grad, RowGrad) else float(ops.norm(np.ascontiguousarray(grad)))


def scaled(grad: Array | RowGrad, factor: float) -> Array | RowGrad:
    """A new gradient, factor times this one."""
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        return RowGrad.trusted(once.rows, once.values * once.dtype.type(factor), once.shape)
    result_array: Array = grad * grad.dtype.type(factor)
    return result_array


def clip(
    grads: list[Grad], clipvalue: float | None, clipnorm: float | None, global_clipnorm: float | None
) -> list[Grad]:
    """Gradients with their values, their norms, or the norm of all together held below a bound."""
    if clipvalue is None and clipnorm is None and global_clipnorm is None:
        return grads
    if clipnorm is not None:
        grads = [g if g is None else _to_norm(g, norm_of(g), clipnorm) for g in grads]
    elif global_clipnorm is not None:
        total = float(np.sqrt(sum(norm_of(g) ** 2 for g in grads if g is not None)))
        grads = [g if g is None else _to_norm(g, total, global_clipnorm) for g in grads]
    if clipvalue is not None:
        grads = [g if g is None else _to_value(g, clipvalue) for g in grads]
    return grads


def _to_norm(grad: Array | RowGrad, norm: float, bound: float) -> Array | RowGrad:
    return grad if norm <= bound else scaled(grad, bound / norm)


def _to_value(grad: Array | RowGrad, bound: float) -> Array | RowGrad:
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        return RowGrad.trusted(once.rows, np.clip(once.values, -bound, bound), once.shape)
    clipped: Array = np.clip(grad, -bound, bound)
    return clipped


def accumulate(calls: list[list[Grad]]) -> list[Grad]:
    """The mean gradient of several calls, parameter by parameter."""
    return [_mean(list(grads), len(calls)) for grads in zip(*calls, strict=True)]


def _mean(grads: list[Grad], count: int) -> Grad:
    present = [g for g in grads if g is not None]
    if not present:
        return None
    if all(isinstance(g, RowGrad) for g in present):
        parts: list[RowGrad] = present  # type: ignore[assignment]
        rows = np.concatenate([p.rows for p in parts])
        values = np.concatenate([p.values for p in parts])
        return scaled(RowGrad(rows, values, parts[0].shape), 1 / count)
    dense = [g.to_dense() if isinstance(g, RowGrad) else g for g in present]
    total = dense[0].copy()
    for grad in dense[1:]:
        total += grad
    return scaled(total, 1 / count)
