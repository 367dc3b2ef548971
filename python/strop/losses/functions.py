"""Losses as functions: one value per sample, neither weighted nor reduced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .base import Array, Loss
from .crossentropy import BinaryCrossentropy, CategoricalCrossentropy
from .focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from .hinge import CategoricalHinge, Hinge, SquaredHinge
from .regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)
from .similarity import CosineSimilarity, KLDivergence
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


def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `100 |y_true - y_pred| / max(|y_true|, 1e-7)` for each sample.

    Example:
        >>> mean_absolute_percentage_error([[2, 1]], [[1, 1]])
        array([25.], dtype=float32)
    """
    return _values(MeanAbsolutePercentageError(), y_true, y_pred)


def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `(log(1 + y_true) - log(1 + y_pred))^2` for each sample.

    Example:
        >>> mean_squared_logarithmic_error([[0, 1]], [[1, 1]]).round(6)
        array([0.240226], dtype=float32)
    """
    return _values(MeanSquaredLogarithmicError(), y_true, y_pred)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> Array:
    """Mean of `e^2 / 2`, or of `delta (|e| - delta / 2)` beyond delta, for each sample.

    Example:
        >>> huber([[0, 0]], [[0.5, 3]])
        array([1.3125], dtype=float32)
    """
    return _values(Huber(delta), y_true, y_pred)


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `log(cosh(y_pred - y_true))` for each sample.

    Example:
        >>> log_cosh([[0, 0]], [[0.5, 3]]).round(6)
        array([1.214722], dtype=float32)
    """
    return _values(LogCosh(), y_true, y_pred)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `y_pred - y_true log(y_pred + 1e-7)` for each sample.

    Example:
        >>> poisson([[1, 2]], [[1, 1]]).round(6)
        array([1.], dtype=float32)
    """
    return _values(Poisson(), y_true, y_pred)


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """`sum(y_true log(y_true / y_pred))` for each sample.

    Example:
        >>> kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).round(6)
        array([0.143841], dtype=float32)
    """
    return _values(KLDivergence(), y_true, y_pred)


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Minus the cosine of the angle between y_true and y_pred, for each sample.

    Example:
        >>> cosine_similarity([[0, 1], [1, 1]], [[1, 0], [1, 1]]).round(6)
        array([-0., -1.], dtype=float32)
    """
    return _values(CosineSimilarity(axis), y_true, y_pred)


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `max(1 - y_true y_pred, 0)` for each sample; labels 0 and 1 become -1 and 1.

    Example:
        >>> hinge([[-1], [1]], [[0.6], [0.6]]).round(6)
        array([1.6, 0.4], dtype=float32)
    """
    return _values(Hinge(), y_true, y_pred)


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean of `max(1 - y_true y_pred, 0)^2` for each sample; labels 0 and 1 become -1 and 1.

    Example:
        >>> squared_hinge([[-1], [1]], [[0.6], [0.6]]).round(6)
        array([2.56, 0.16], dtype=float32)
    """
    return _values(SquaredHinge(), y_true, y_pred)


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """`max(neg - pos + 1, 0)` for each sample.

    Example:
        >>> categorical_hinge([[0, 1, 0]], [[0.1, 0.7, 0.6]]).round(6)
        array([0.9], dtype=float32)
    """
    return _values(CategoricalHinge(), y_true, y_pred)


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
    return _values(SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis), y_true, y_pred)


def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Mean of `(1 - p_t)^gamma` times the binary cross-entropy, for each sample.

    Example:
        >>> binary_focal_crossentropy([[1], [0]], [[0.8], [0.4]]).round(6)
        array([0.008926, 0.081732], dtype=float32)
    """
    loss = BinaryFocalCrossentropy(apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis)
    return _values(loss, y_true, y_pred)


def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float | Sequence[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`-sum(alpha (1 - p)^gamma y log p)` for each sample.

    Example:
        >>> categorical_focal_crossentropy([[0, 1, 0]], [[0.1, 0.7, 0.2]]).round(6)
        array([0.008025], dtype=float32)
    """
    loss = CategoricalFocalCrossentropy(alpha, gamma, from_logits, label_smoothing, axis)
    return _values(loss, y_true, y_pred)
