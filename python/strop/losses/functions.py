"""Losses as functions: one value per sample, neither weighted nor reduced."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .base import Array, Loss
from .crossentropy import BinaryCrossentropy, CategoricalCrossentropy
from .regression import MeanAbsoluteError, MeanSquaredError
from .sparse import SparseCategoricalCrossentropy


def _values(loss: Loss, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    dtype = getattr(y_pred, "dtype", None)
    is_float = dtype is not None and dtype.kind == "f"
    return loss.values(y_true, y_pred).astype(dtype if is_float else np.float32)


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `(y_true - y_pred)^2` for each sample.

    Example:
        >>> mean_squared_error([[0, 1], [0, 0]], [[1, 1], [1, 0]])
        array([0.5, 0.5], dtype=float32)
    """
    return _values(MeanSquaredError(), y_true, y_pred)


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `|y_true - y_pred|` for each sample.

    Example:
        >>> mean_absolute_error([[0, 1], [0, 0]], [[1, 1], [3, 0]])
        array([0.5, 1.5], dtype=float32)
    """
    return _values(MeanAbsoluteError(), y_true, y_pred)


def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Mean of `-(y log p + (1 - y) log(1 - p))` for each sample.

    Example:
        >>> binary_crossentropy([[1], [0]], [[0.8], [0.4]]).round(6)
        array([0.223144, 0.510826], dtype=float32)
    """
    return _values(BinaryCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)


def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`-sum(y log p)` for each sample.

    Example:
        >>> categorical_crossentropy([[0, 1, 0]], [[0.1, 0.7, 0.2]]).round(6)
        array([0.356675], dtype=float32)
    """
    return _values(CategoricalCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """`-log p[label]` for each sample; 0 for ignored ones.

    Example:
        >>> sparse_categorical_crossentropy([1, 0], [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]).round(6)
        array([0.356675, 0.693147], dtype=float32)
    """
    return _values(SparseCategoricalCrossentropy(from_logits, ignore_class, axis), y_true, y_pred)
