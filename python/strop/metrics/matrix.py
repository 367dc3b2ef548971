"""The confusion matrix: how many samples of each class were taken for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._names import check_whole
from ..losses.targets import labels, number_array, row_weight
from .accuracy import check_threshold
from .base import Array, Metric, refuse_gpu

NORMALIZED = (None, "true", "pred", "all")


class ConfusionMatrix(Metric):
    """`result()[i][j]`: samples of class i that were taken for class j, over all batches.

    Args:
        num_classes: None takes it from y_pred: the columns, or 2 for one column.
        threshold: predictions of one column above it are class 1.
        normalize: `"true"` divides by the samples of each class, `"pred"` by those of each predicted class,
            `"all"` by all; None gives the counts, with weights their sums.
        name: for histories.

    Raises:
        ValueError: a setting is unknown; or, when called, a label is no class.

    Example:
        >>> ConfusionMatrix()([0, 1, 1], [0.2, 0.9, 0.4])
        [[1.0, 0.0], [1.0, 1.0]]
        >>> ConfusionMatrix(num_classes=3)([0, 1, 2, 1], [0, 0, 2, 1])
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        num_classes: int | None = None,
        threshold: float = 0.5,
        normalize: str | None = None,
        name: str = "confusion_matrix",
    ) -> None:
        if num_classes is not None:
            check_whole("ConfusionMatrix", "num_classes", num_classes, 2)
        if normalize not in NORMALIZED:
            raise ValueError(
                f"ConfusionMatrix: normalize must be None, 'true', 'pred' or 'all'; got {normalize!r}"
            )
        self.num_classes = num_classes
        self.threshold = check_threshold("ConfusionMatrix", "threshold", threshold)
        self.normalize = normalize
        super().__init__(name)

    def reset_state(self) -> None:
        """Forget all batches."""
        self.counts: Array = np.zeros((self.num_classes or 0,) * 2)

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch.

        Args:
            y_true: class ids, (N, ...), or one-hot labels, (N, ..., C).
            y_pred: a prediction for each class, (N, ..., C); one number per sample for two classes, (N,) or
                (N, ..., 1); or whole numbers, which are class ids.
            sample_weight: one number per sample.
        """
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        pred = number_array(self.name, "y_pred", y_pred)
        predicted, classes = self._predicted(pred)
        rows = predicted.shape
        target = number_array(self.name, "y_true", y_true)
        if target.shape == (*rows, classes) and target.shape != (*rows, 1):
            target = target.argmax(axis=-1)
        truth = labels(self.name, "y_true", target, rows, classes)
        if not self.counts.size:
            self.counts = np.zeros((classes, classes))
        weight = None
        if sample_weight is not None:
            weight = row_weight(self.name, sample_weight, rows, np.float64).ravel()
        cell = truth.ravel().astype(np.int64) * classes + predicted.ravel()
        self.counts += np.bincount(cell, weight, classes**2).reshape(classes, classes)

    def _predicted(self, pred: Array) -> tuple[Array, int]:
        """The class each sample was taken for, and the number of classes."""
        known = self.num_classes or len(self.counts) or 0
        columns = pred.shape[-1] if pred.ndim > 1 else 1
        if columns > 1:
            if known and known != columns:
                raise ValueError(f"{self.name}: y_pred must have {known} columns; got {columns}")
            return pred.argmax(axis=-1), columns
        pred = pred.reshape(pred.shape[:-1] if pred.ndim > 1 else pred.shape)
        classes = known or 2
        if pred.dtype.kind in "biu" and not (classes == 2 and pred.dtype.kind == "b"):
            return labels(self.name, "y_pred", pred, pred.shape, classes), classes
        if classes != 2:
            raise ValueError(
                f"{self.name}: y_pred must have {classes} columns, or whole numbers; got shape {pred.shape}"
            )
        positive: Any = pred > self.threshold
        return positive.astype(np.int64), 2

    def result(self) -> Any:
        """The matrix as lists of floats, true classes down, predicted ones across; 0.0 before the first batch."""
        if not self.counts.size:
            return 0.0
        return self.matrix().tolist()

    def matrix(self) -> Array:
        """The matrix as a float64 array, (C, C)."""
        if self.normalize is None:
            return self.counts.copy()
        axis = {"true": 1, "pred": 0, "all": None}[self.normalize]
        whole = self.counts.sum(axis=axis, keepdims=True)
        normal: Array = self.counts / np.where(whole == 0, 1, whole)
        return normal
