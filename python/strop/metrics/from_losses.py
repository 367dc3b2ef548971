"""Losses as metrics: means over the samples."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import losses
from ..losses.targets import row_weight
from .base import Array, LossMetric, MeanOverSamples, aligned, refuse_gpu


class MeanLoss(LossMetric):
    """Base of those that are the mean of a loss without settings, under its name."""

    loss_class: ClassVar[type[losses.Loss]]

    def __init__(self, name: str | None = None) -> None:
        super().__init__(self.loss_class(), name)


class MeanSquaredError(MeanLoss):
    """The mean of the squared errors.

    Example:
        >>> MeanSquaredError()([0.0, 0.0], [3.0, 4.0])
        12.5
    """

    loss_class = losses.MeanSquaredError


class MeanAbsoluteError(MeanLoss):
    """The mean of the absolute errors.

    Example:
        >>> MeanAbsoluteError()([0.0, 0.0], [3.0, 4.0])
        3.5
    """

    loss_class = losses.MeanAbsoluteError


class MeanAbsolutePercentageError(MeanLoss):
    """The mean of the errors in percent of the targets.

    Example:
        >>> MeanAbsolutePercentageError()([[2.0, 1.0]], [[1.0, 1.0]])
        25.0
    """

    loss_class = losses.MeanAbsolutePercentageError


class MeanSquaredLogarithmicError(MeanLoss):
    """The mean of the squared errors of `log(1 + y)`.

    Example:
        >>> round(MeanSquaredLogarithmicError()([[0.0, 1.0]], [[1.0, 1.0]]), 6)
        0.240226
    """

    loss_class = losses.MeanSquaredLogarithmicError


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


class LogCoshError(LossMetric):
    """The mean of `log(cosh(y_pred - y_true))`.

    Example:
        >>> round(LogCoshError()([[0.0, 0.0]], [[0.5, 3.0]]), 6)
        1.214722
    """

    def __init__(self, name: str = "logcosh") -> None:
        super().__init__(losses.LogCosh(), name)


class CosineSimilarity(LossMetric):
    """The mean cosine of the angle between y_true and y_pred: 1 for one direction. The *loss* is minus that.

    Example:
        >>> round(CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]), 6)
        0.5
    """

    def __init__(self, name: str = "cosine_similarity", axis: int = -1) -> None:
        super().__init__(losses.CosineSimilarity(axis), name)
        self.axis = axis

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The cosine of each sample."""
        return -super().values(y_true, y_pred)


class Hinge(MeanLoss):
    """The mean hinge loss of the samples."""

    loss_class = losses.Hinge


class SquaredHinge(MeanLoss):
    """The mean squared hinge loss of the samples."""

    loss_class = losses.SquaredHinge


class CategoricalHinge(MeanLoss):
    """The mean categorical hinge loss of the samples."""

    loss_class = losses.CategoricalHinge


class KLDivergence(MeanLoss):
    """The mean Kullback-Leibler divergence of the samples."""

    loss_class = losses.KLDivergence


class Poisson(MeanLoss):
    """The mean Poisson loss of the samples."""

    loss_class = losses.Poisson


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
    """The mean sparse categorical cross-entropy of the samples; those of the class ignore_class do not count.

    Example:
        >>> metric = SparseCategoricalCrossentropy(ignore_class=-1)
        >>> round(metric([1, -1], [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]), 6)
        0.356675
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis), name)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch."""
        if self.ignore_class is None:
            super().update_state(y_true, y_pred, sample_weight)
            return
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        values = self.values(y_true, y_pred)
        weight: Array = (np.reshape(y_true, values.shape) != self.ignore_class).astype(np.float64)
        if sample_weight is not None:
            weight *= row_weight(self.name, sample_weight, values.shape, np.float64)
        self.add(values, weight)
