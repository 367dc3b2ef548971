"""Shares of predictions that are right."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._names import check_number
from ..losses.targets import number_array
from .base import Array, MeanOverSamples, aligned, class_ids, refuse_gpu


class Accuracy(MeanOverSamples):
    """The share of elements where prediction and target are the same number.

    Example:
        >>> Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
        0.75
    """

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The share for each sample."""
        target, pred = aligned(self.name, y_true, y_pred)
        return np.asarray((target == pred).mean(axis=-1))


class BinaryAccuracy(MeanOverSamples):
    """The share of elements whose label, 0 or 1, equals `y_pred > threshold`.

    A prediction equal to the threshold is negative, and so is NaN.

    Args:
        name: for histories.
        threshold: in [0, 1].

    Example:
        >>> BinaryAccuracy()([1, 0], [0.5, 0.5])
        0.5
    """

    def __init__(self, name: str = "binary_accuracy", threshold: float = 0.5) -> None:
        self.threshold = check_threshold(type(self).__name__, "threshold", threshold)
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The share for each sample."""
        target, pred = aligned(self.name, y_true, y_pred)
        return np.asarray(((pred > self.threshold) == target).mean(axis=-1))

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch."""
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        if sample_weight is not None:
            self.add(self.values(y_true, y_pred), sample_weight)
            return
        # A count instead of a mean: two array passes, which matters at 600 batches in 0.1 s.
        target, pred = aligned(self.name, y_true, y_pred)
        if pred.size:
            width = pred.shape[-1]
            self.total += int(np.count_nonzero((pred > self.threshold) == target)) / width
            self.count += pred.size // width


class HingeAccuracy(MeanOverSamples):
    """The share of elements whose prediction is on the label's side of 0; labels 0 and -1 are negative.

    `"accuracy"` stands for it beside the losses hinge and squared_hinge. A prediction of 0 is negative, and
    so is NaN.

    Example:
        >>> HingeAccuracy()([-1, 1, 1], [-0.2, 0.1, -3.0])  # doctest: +ELLIPSIS
        0.666...
    """

    def __init__(self, name: str = "hinge_accuracy") -> None:
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The share for each sample."""
        target, pred = aligned(self.name, y_true, y_pred)
        return np.asarray(((pred > 0) == (target > 0)).mean(axis=-1))


class CategoricalAccuracy(MeanOverSamples):
    """The share of samples whose greatest prediction stands where the one-hot label has its 1.

    A tie goes to the first class.

    Example:
        >>> CategoricalAccuracy()([[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]])
        0.5
    """

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """1 or 0 for each sample."""
        target, pred = aligned(self.name, y_true, y_pred)
        return np.asarray(target.argmax(axis=-1) == pred.argmax(axis=-1))


class SparseCategoricalAccuracy(MeanOverSamples):
    """The share of samples whose greatest prediction is the class that the label names.

    Example:
        >>> SparseCategoricalAccuracy()([2, 1], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]])
        0.5
    """

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """1 or 0 for each sample."""
        pred = number_array(self.name, "y_pred", y_pred)
        target = class_ids(self.name, y_true, pred)
        return np.asarray(pred.argmax(axis=-1) == target)


def check_threshold(op: str, argument: str, value: object) -> float:
    """The value as a float in [0, 1]."""
    number = check_number(op, argument, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{op}: {argument} must lie in [0, 1]; got {number}")
    return number
