"""True and false positives and negatives, precision and recall. Counts accumulate over the batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..losses.targets import row_weight
from .accuracy import check_threshold
from .base import Array, Metric, Result, aligned, refuse_gpu

Thresholds = float | Sequence[float] | None
Float64 = NDArray[np.float64]


class ConfusionMetric(Metric):
    """Base: for each threshold the weights of right and wrong positives and negatives.

    A prediction above the threshold is positive; one equal to it, or NaN, is negative.
    """

    #: Which of tp, fp, tn, fn the result needs.
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, thresholds: Thresholds, name: str) -> None:
        op = type(self).__name__
        self.thresholds = thresholds
        if thresholds is None:
            self._limits = [0.5]
        elif isinstance(thresholds, list | tuple | np.ndarray):
            self._limits = [check_threshold(op, f"thresholds[{i}]", t) for i, t in enumerate(thresholds)]
            self.thresholds = list(self._limits)
            if not self._limits:
                raise ValueError(f"{op}: thresholds must hold a number; got an empty list")
        else:
            self._limits = [check_threshold(op, "thresholds", thresholds)]
        super().__init__(name)

    def reset_state(self) -> None:
        """Forget all batches."""
        self.counts: dict[str, Float64] = {kind: np.zeros(len(self._limits)) for kind in self.needs}

    def select(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Labels, predictions and where a prediction may be positive; None is everywhere."""
        return y_true, y_pred, None

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch."""
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        target, pred, allowed = self.select(*aligned(self.name, y_true, y_pred))
        truth = target.astype(bool)
        weight = None
        if sample_weight is not None:
            weight = row_weight(self.name, sample_weight, pred.shape, np.float64)
        for i, limit in enumerate(self._limits):
            positive = pred > limit if allowed is None else allowed
            for kind in self.needs:
                hit = (positive if kind[1] == "p" else ~positive) & (
                    truth if kind in ("tp", "fn") else ~truth
                )
                self.counts[kind][i] += np.count_nonzero(hit) if weight is None else weight[hit].sum()

    def _one_or_list(self, values: Float64) -> Result:
        return float(values[0]) if len(values) == 1 else [float(value) for value in values]

    def _ratio(self, part: str, other: str) -> Result:
        """part / (part + other), 0 where both are 0."""
        whole = self.counts[part] + self.counts[other]
        return self._one_or_list(self.counts[part] / np.where(whole == 0, 1, whole))


class _Rate(ConfusionMetric):
    """Precision and Recall: positives above a threshold, or among the k greatest; one class or all."""

    def __init__(self, thresholds: Thresholds, top_k: int | None, class_id: int | None, name: str) -> None:
        op = type(self).__name__
        for argument, value, least in (("top_k", top_k, 1), ("class_id", class_id, 0)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise TypeError(f"{op}: {argument} must be an int; got {type(value).__name__}")
            if value < least:
                raise ValueError(f"{op}: {argument} must be {least} or more; got {value}")
        self.top_k = top_k
        self.class_id = class_id
        super().__init__(thresholds, name)

    def select(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """The class asked for, and the k greatest of each sample."""
        allowed: Any = None
        classes = y_pred.shape[-1]
        if self.top_k is not None:
            if self.top_k > classes:
                raise ValueError(
                    f"{self.name}: top_k must be at most the number of classes {classes}; got {self.top_k}"
                )
            first = np.argsort(-y_pred, axis=-1, kind="stable")[..., : self.top_k]
            allowed = np.zeros(y_pred.shape, bool)
            np.put_along_axis(allowed, first, True, axis=-1)
            if self.thresholds is not None:
                y_pred = np.where(allowed, y_pred, -np.inf)
                allowed = None
        if self.class_id is not None:
            if self.class_id >= classes:
                raise ValueError(
                    f"{self.name}: class_id must lie in [0, {classes}) for {classes} classes; "
                    f"got {self.class_id}"
                )
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
            allowed = None if allowed is None else allowed[..., self.class_id]
        return y_true, y_pred, allowed


class Precision(_Rate):
    """Right positives over all positive predictions; 0 where there are none.

    Args:
        thresholds: a number in [0, 1], or several for a list of results; None is 0.5, or with top_k none.
        top_k: only the k greatest predictions of a sample may be positive.
        class_id: only this class counts.
        name: for histories.

    Example:
        >>> Precision()([0, 1, 1], [0.9, 0.9, 0.2])
        0.5
        >>> [round(value, 6) for value in Precision(thresholds=[0.3, 0.7])([0, 1, 1], [0.4, 0.5, 0.8])]
        [0.666667, 1.0]
    """

    needs = ("tp", "fp")

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str = "precision",
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def result(self) -> Result:
        """`tp / (tp + fp)`."""
        return self._ratio("tp", "fp")


class Recall(_Rate):
    """Right positives over all positive labels; 0 where there are none.

    Args:
        thresholds: as in `Precision`.
        top_k: as in `Precision`.
        class_id: as in `Precision`.
        name: for histories.

    Example:
        >>> Recall()([0, 1, 1], [0.9, 0.9, 0.2])
        0.5
    """

    needs = ("tp", "fn")

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str = "recall",
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name)

    def result(self) -> Result:
        """`tp / (tp + fn)`."""
        return self._ratio("tp", "fn")


class _Count(ConfusionMetric):
    """One of the four counts."""

    def result(self) -> Result:
        """The count, or the sum of the weights."""
        return self._one_or_list(self.counts[self.needs[0]])


class TruePositives(_Count):
    """How many positive predictions have a positive label.

    Example:
        >>> TruePositives()([0, 1, 1], [0.9, 0.9, 0.2])
        1.0
    """

    needs = ("tp",)

    def __init__(self, thresholds: Thresholds = None, name: str = "true_positives") -> None:
        super().__init__(thresholds, name)


class FalsePositives(_Count):
    """How many positive predictions have a negative label."""

    needs = ("fp",)

    def __init__(self, thresholds: Thresholds = None, name: str = "false_positives") -> None:
        super().__init__(thresholds, name)


class TrueNegatives(_Count):
    """How many negative predictions have a negative label."""

    needs = ("tn",)

    def __init__(self, thresholds: Thresholds = None, name: str = "true_negatives") -> None:
        super().__init__(thresholds, name)


class FalseNegatives(_Count):
    """How many negative predictions have a positive label."""

    needs = ("fn",)

    def __init__(self, thresholds: Thresholds = None, name: str = "false_negatives") -> None:
        super().__init__(thresholds, name)
