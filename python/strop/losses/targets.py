"""Checks of what a loss is given: shapes, labels, weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import array_module

Array = NDArray[Any]
Shape = tuple[int, ...]


def number_array(op: str, argument: str, values: ArrayLike) -> Array:
    """The values as an array of numbers.

    Raises:
        TypeError: they are text, objects or complex, or some are masked.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            f"{op}: {argument} must be a plain array; got a MaskedArray; give a mask as sample_weight"
        )
    array: Array = array_module(values).asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{op}: {argument} must be an array of numbers; got a {array.dtype} array of shape {array.shape}"
        )
    return array


def first(array: Array, bad: Array) -> str:
    """`got ... at sample ...`: the first bad value of an array."""
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"got {array[at].item()} at sample {at[0] if at else 0}"


def require_finite(op: str, argument: str, array: Array, loss: str) -> None:
    """Refuse NaN and infinities."""
    if array.dtype.kind == "f" and not (good := np.isfinite(array)).all():
        raise ValueError(f"{op}: {argument} must be finite for {loss}; {first(array, ~good)}")


def require_unit_interval(op: str, argument: str, array: Array, loss: str) -> None:
    """Refuse what lies outside [0, 1], NaN too."""
    good = (array >= 0) & (array <= 1)
    if not good.all():
        raise ValueError(f"{op}: {argument} must lie in [0, 1] for {loss}; {first(array, ~good)}")


def require_not_negative(op: str, argument: str, array: Array, loss: str) -> None:
    """Refuse negative numbers, NaN and infinities."""
    good = (array >= 0) & (array < np.inf)
    if not good.all():
        raise ValueError(f"{op}: {argument} must be 0 or more for {loss}; {first(array, ~good)}")


def dense_target(op: str, argument: str, array: Array, shape: Shape, like: str) -> Array:
    """The array in `shape`; (N,) and (N, 1) are the same, any other difference is refused."""
    if array.shape == shape:
        return array
    if array.shape == (*shape, 1) or (*array.shape, 1) == shape:
        return array.reshape(shape)
    raise ValueError(f"{op}: {argument} must have the shape of {like} {shape}; got {array.shape}")


def binary(op: str, argument: str, array: Array, shape: Shape, like: str) -> Array:
    """Labels of this shape; one class id for several units is refused, with a hint."""
    if shape[-1] > 1 and array.shape in (shape[:-1], (*shape[:-1], 1)):
        raise ValueError(
            f"{op}: {argument} must have the shape of {like} {shape}; got {array.shape}; "
            "use sparse_categorical_crossentropy for class ids"
        )
    return dense_target(op, argument, array, shape, like)


def one_hot(op: str, argument: str, array: Array, shape: Shape, like: str, hint: str) -> Array:
    """One-hot labels of this shape; class ids are refused, with a hint."""
    if array.shape in (shape[:-1], (*shape[:-1], 1)) and array.shape != shape:
        raise ValueError(
            f"{op}: {argument} must be one-hot like {like} {shape}; got shape {array.shape}{hint}"
        )
    return dense_target(op, argument, array, shape, like)


def labels(
    op: str, argument: str, array: Array, rows: Shape, classes: int, ignore_class: int | None = None
) -> Array:
    """Class ids as int32 or int64 of shape `rows`.

    Raises:
        ValueError: the shape differs, or a label is not a class.
    """
    if array.shape == (*rows, 1):
        array = array.reshape(rows)
    if array.shape != rows:
        hint = "; use categorical_crossentropy for one-hot labels" if array.shape == (*rows, classes) else ""
        raise ValueError(
            f"{op}: {argument} must hold one class id per sample, shape {rows}; got shape {array.shape}{hint}"
        )
    good = (array >= 0) & (array < classes)
    if ignore_class is not None:
        good |= array == ignore_class
    if not good.all():
        raise ValueError(
            f"{op}: {argument} must lie in [0, {classes}) for {classes} classes; {first(array, ~good)}"
        )
    if array.dtype.kind == "f" and not (whole := array == np.floor(array)).all():
        raise ValueError(f"{op}: {argument} must hold whole numbers; {first(array, ~whole)}")
    if array.dtype not in (np.int32, np.int64):
        array = array.astype(np.int32)
    result: Array = array_module(array).ascontiguousarray(array).reshape(rows)
    return result


def row_weight(op: str, weight: ArrayLike, rows: Shape, dtype: Any) -> Array:
    """Sample weights as an array of shape `rows`; one per sample reaches all its rows.

    Raises:
        ValueError: the shape is neither that of the rows nor a leading part of it.
    """
    library = array_module(weight)
    array = library.asarray(weight, dtype)
    if array.shape == (*rows, 1):
        array = array.reshape(rows)
    if array.shape != rows:
        if array.shape != rows[: array.ndim]:
            raise ValueError(
                f"{op}: sample_weight must have shape {rows} or a leading part of it; got {array.shape}"
            )
        array = library.broadcast_to(array.reshape(array.shape + (1,) * (len(rows) - array.ndim)), rows)
    result: Array = library.ascontiguousarray(array).reshape(rows)
    return result
