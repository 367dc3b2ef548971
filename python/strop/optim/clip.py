"""Gradients held below a bound, in place: by the norm of all of them together, or value by value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..rowgrad import RowGrad
from .gradients import Leaf, present

Array = NDArray[Any]

#: torch adds this to the norm before it divides by it.
TINY = 1e-6
#: Elements of a block whose powers are worked out at a time: 128 KiB of float64, which the second cache holds.
BLOCK = 16384


def clip_grad_norm_(
    grads: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> float:
    """Scale gradients in place so that the norm of all together is at most max_norm.

    They are multiplied by `max_norm / (norm + 1e-6)` where that is below 1, as torch does. A norm that is not finite
    makes gradients NaN, or 0 where only the norm is infinite: say `error_if_nonfinite=True` to be told before.

    Args:
        grads: as `Optimizer.step` takes them: arrays, `RowGrad`s and None in a list, a tuple or a dict, nested as it
            may be. None is skipped. The norm of a RowGrad is taken after its duplicates are summed.
        max_norm: 0 or more; infinity only measures.
        norm_type: 2 for the Euclidean norm, 1, any p above 0, or infinity for the greatest absolute value.
        error_if_nonfinite: refuse a norm that is NaN or infinite.
        foreach: torch's; changes nothing.

    Returns:
        The norm before scaling.

    Raises:
        TypeError: a gradient is no array of floats, or a setting no number.
        ValueError: a gradient is strided, read-only or overlaps another, or a setting is out of range.
        RuntimeError: the norm is not finite under error_if_nonfinite. Nothing has been written in any of these cases.

    Example:
        >>> grads = [np.array([3.0]), np.array([4.0])]
        >>> clip_grad_norm_(grads, 1.0)
        5.0
        >>> print(grads[0], grads[1])
        [0.59999988] [0.79999984]
    """
    op = "clip_grad_norm_"
    bound, p = _bound(op, "max_norm", max_norm), _power(op, norm_type)
    found = present(op, grads, written=True)
    total = _norm(_summed(found), p)
    _check_finite(op, total, error_if_nonfinite)
    _scale(found, bound / (total + TINY))
    return total


def clip_grads_with_norm_(
    grads: Any, max_norm: float, total_norm: float, foreach: bool | None = None
) -> None:
    """Scale gradients in place as `clip_grad_norm_` does, by a norm that is known already.

    Args:
        grads: as for `clip_grad_norm_`.
        max_norm: 0 or more.
        total_norm: the norm, as `get_total_norm` gives it.
        foreach: torch's; changes nothing.

    Raises:
        TypeError: a gradient is no array of floats, or a setting no number.
        ValueError: a gradient is strided, read-only or overlaps another, or a setting is out of range. Nothing has been
            written then.

    Example:
        >>> grads = [np.array([3.0]), np.array([4.0])]
        >>> clip_grads_with_norm_(grads, 1.0, 10.0)
        >>> print(grads[0], grads[1])
        [0.29999997] [0.39999996]
    """
    op = "clip_grads_with_norm_"
    bound = _bound(op, "max_norm", max_norm)
    total = math.nan if _is_nan(total_norm) else _bound(op, "total_norm", total_norm)
    _scale(present(op, grads, written=True), bound / (total + TINY))


def clip_grad_value_(grads: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Hold every element of gradients in [-clip_value, clip_value], in place.

    A `RowGrad` that names a row twice is summed first, and then names it once. NaN stays NaN.

    Args:
        grads: as for `clip_grad_norm_`.
        clip_value: 0 or more.
        foreach: torch's; changes nothing.

    Raises:
        TypeError: a gradient is no array of floats, or clip_value no number.
        ValueError: a gradient is strided, read-only or overlaps another, or clip_value is below 0. Nothing has been
            written then.

    Example:
        >>> grads = {"weight": np.array([3.0, -0.5]), "bias": None}
        >>> clip_grad_value_(grads, 1.0)
        >>> grads["weight"]
        array([ 1. , -0.5])
    """
    op = "clip_grad_value_"
    bound = _bound(op, "clip_value", clip_value)
    found = present(op, grads, written=True)
    for (_, grad), values in zip(found, _summed(found), strict=True):
        with np.errstate(over="ignore"):  # a bound past float32 is infinity there
            limit = values.dtype.type(bound)
        np.clip(values, -limit, limit, out=values)
        if isinstance(grad, RowGrad) and values is not grad.values:
            once = grad.coalesce()
            grad.rows, grad.values, grad.unique = once.rows, values, True


def get_total_norm(
    grads: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> float:
    """The norm of all gradients together, as if they were one vector; of no gradients 0.

    Args:
        grads: as for `clip_grad_norm_`; only read.
        norm_type: 2, 1, any p above 0, or infinity.
        error_if_nonfinite: refuse a norm that is NaN or infinite.
        foreach: torch's; changes nothing.

    Raises:
        TypeError: a gradient is no array of floats, or norm_type no number.
        ValueError: a gradient is strided, or norm_type is not above 0.
        RuntimeError: the norm is not finite under error_if_nonfinite.

    Example:
        >>> get_total_norm({"weight": np.array([3.0, 0.0]), "bias": np.array([-4.0])}, norm_type=1)
        7.0
    """
    op = "get_total_norm"
    p = _power(op, norm_type)
    total = _norm(_summed(present(op, grads, written=False)), p)
    _check_finite(op, total, error_if_nonfinite)
    return total


# ---- settings --------------------------------------------------------------


def _number(op: str, name: str, value: Any, what: str) -> float:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise TypeError(f"{op}: {name} must be {what}; got {type(value).__name__}")
    return float(value)


def _bound(op: str, name: str, value: Any) -> float:
    number = _number(op, name, value, "a number of at least 0")
    if not number >= 0:
        raise ValueError(f"{op}: {name} must be a number of at least 0; got {number}")
    return number


def _power(op: str, value: Any) -> float:
    number = math.inf if value == "inf" else _number(op, "norm_type", value, "a number above 0 or inf")
    if not number > 0:
        raise ValueError(f"{op}: norm_type must be a number above 0 or inf; got {number}")
    return number


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and math.isnan(value)


def _check_finite(op: str, total: float, wanted: bool) -> None:
    if wanted and not math.isfinite(total):
        raise RuntimeError(
            f"{op}: grads must have a finite norm; got {total}; use error_if_nonfinite=False to go on"
        )


# ---- norms -----------------------------------------------------------------


def _summed(found: Sequence[Leaf]) -> list[Array]:
    """The values, of a RowGrad after its duplicates are summed."""
    return [grad.coalesce().values if isinstance(grad, RowGrad) else grad for _, grad in found]


def _norm(arrays: Sequence[Array], p: float) -> float:
    """The p-norm of all arrays together; NaN where there is one."""
    arrays = [array for array in arrays if array.size]
    if p == 2:
        norms = [_euclidean(array) for array in arrays]
        return math.nan if any(map(math.isnan, norms)) else math.hypot(*norms)
    if p == math.inf:
        norms = [_greatest(array) for array in arrays]
        return math.nan if any(map(math.isnan, norms)) else max(norms, default=0.0)
    with np.errstate(over="ignore"):
        return float(np.float64(math.fsum(map(_powers, arrays, [p] * len(arrays)))) ** (1 / p))


def _euclidean(array: Array) -> float:
    norm = float(ops.norm(array))
    if math.isfinite(norm) and norm > 1e-15:
        return norm
    greatest = _greatest(array)  # squares may have left the range of the dtype
    if not math.isfinite(greatest) or greatest == 0:
        return greatest
    return greatest * math.sqrt(_powers(array, 2.0, greatest))


def _greatest(array: Array) -> float:
    low, high = float(array.min()), float(array.max())
    return math.nan if math.isnan(low) else max(-low, high)


def _powers(array: Array, p: float, unit: float = 1.0) -> float:
    """The sum of `abs(array / unit) ** p`, in double and in blocks, whose temporaries stay in the cache."""
    flat, total = array.reshape(-1), 0.0
    buffer = np.empty(min(BLOCK, flat.size))
    for start in range(0, flat.size, BLOCK):
        part = flat[start : start + BLOCK]
        block = np.abs(part, out=buffer[: part.size], dtype=np.float64)
        if unit != 1:
            block /= unit
        if p != 1:
            with np.errstate(over="ignore", under="ignore"):
                np.power(block, p, out=block)
        total += float(block.sum())
    return total


def _scale(found: Sequence[Leaf], factor: float) -> None:
    if factor >= 1:
        return
    with np.errstate(all="ignore"):  # a factor of 0 or NaN meets infinity
        for _, grad in found:
            values = grad.values if isinstance(grad, RowGrad) else grad
            values *= values.dtype.type(factor)
