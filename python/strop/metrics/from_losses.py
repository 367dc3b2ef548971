"""Losses as metrics: means over the samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .. import losses
from .base import Array, LossMetric, MeanOverSamples, aligned


class MeanSquaredError(LossMetric):
    """The mean of the squared errors.

    Example:
        >>> MeanSquaredError()([0.0, 0.0], [3.0, 4.0])
        12.5
    """

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(losses.MeanSquaredError(), name)


class MeanAbsoluteError(LossMetric):
    """The mean of the absolute errors.

    Example:
        >>> MeanAbsoluteError()([0.0, 0.0], [3.0, 4.0])
        3.5
    """

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(losses.MeanAbsoluteError(), name)


class RootMeanSquaredError(MeanOverSamples):
    """The root of the mean of the squared errors.

    Example:
        >>> round(RootMeanSquaredError()([0.0, 0.0], [3.0, 4.0]), 6)
        3.535534
    """

    def __init__(self, name: str = "root_mean_squared_error") -> None:
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The mean of the squares for each sample."""
        target, pred = aligned(self.name, y_true, y_pred)
        return np.asarray(np.square(np.subtract(pred, target, dtype=np.float64)).mean(axis=-1))

    def result(self) -> float:
        """The root."""
        return math.sqrt(self.total / self.count) if self.count else 0.0


class BinaryCrossentropy(LossMetric):
    """The mean binary cross-entropy of the samples."""

    def __init__(
        self, name: str = "binary_crossentropy", from_logits: bool = False, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(LossMetric):
    """The mean categorical cross-entropy of the samples."""

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing, axis), name)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(LossMetric):
    """The mean sparse categorical cross-entropy of the samples."""

    def __init__(
        self, name: str = "sparse_categorical_crossentropy", from_logits: bool = False, axis: int = -1
    ) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits, axis=axis), name)
        self.from_logits = from_logits
        self.axis = axis
