"""Shares of samples whose true class is among the k greatest predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._names import check_whole
from ..losses.targets import number_array
from .base import Array, MeanOverSamples, aligned, class_ids


def _among_greatest(pred: Array, labels: Array, k: int) -> Array:
    """Whether fewer than k predictions are greater than that of the label; a label that is no class is not."""
    classes = pred.shape[-1]
    known: Array = (labels >= 0) & (labels < classes)
    if not classes:
        return known
    at = np.where(known, labels, 0).astype(np.intp)[..., None]
    own = np.take_along_axis(pred, at, axis=-1)
    greater = np.count_nonzero(pred > own, axis=-1)
    among: Array = known & (greater < k) & ~np.isnan(own[..., 0])
    return among


class TopKCategoricalAccuracy(MeanOverSamples):
    """The share of samples whose class, the 1 of a one-hot label, is among the k greatest predictions.

    Predictions equal to that of the class do not push it out; NaN is never among them.

    Args:
        k: how many count; 1 or more.
        name: for histories.

    Example:
        >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1], [1, 0, 0]], [[0.1, 0.9, 0.8], [0.05, 0.15, 0.8]])
        0.5
    """

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy") -> None:
        check_whole(type(self).__name__, "k", k, 1)
        self.k = k
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """1 or 0 for each sample."""
        target, pred = aligned(self.name, y_true, y_pred)
        labels = target.argmax(axis=-1) if target.shape[-1] else np.zeros(target.shape[:-1], np.intp)
        return _among_greatest(pred, labels, self.k)


class SparseTopKCategoricalAccuracy(MeanOverSamples):
    """The share of samples whose label, a class id, is among the k greatest predictions.

    Args:
        k: how many count; 1 or more.
        name: for histories.
        from_sorted_ids: y_pred holds class ids, the best first, instead of a prediction for each class.

    Example:
        >>> SparseTopKCategoricalAccuracy(k=2)([2, 0], [[0.1, 0.9, 0.8], [0.05, 0.15, 0.8]])
        0.5
    """

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        from_sorted_ids: bool = False,
    ) -> None:
        check_whole(type(self).__name__, "k", k, 1)
        self.k = k
        self.from_sorted_ids = bool(from_sorted_ids)
        super().__init__(name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """1 or 0 for each sample."""
        pred = number_array(self.name, "y_pred", y_pred)
        labels = class_ids(self.name, y_true, pred)
        if self.from_sorted_ids:
            return (pred[..., : self.k] == labels[..., None]).any(axis=-1)  # type: ignore[no-any-return]
        return _among_greatest(pred, labels, self.k)
