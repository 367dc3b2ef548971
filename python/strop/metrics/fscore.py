"""F scores: precision and recall in one number, per class or over all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._names import check_number
from ..losses.targets import dense_target, number_array, row_weight
from .accuracy import check_threshold
from .base import Array, Metric, Result, refuse_gpu

AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """`(1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp)`, from counts over all batches; 0 where there is nothing.

    Args:
        average: None gives a list with the score of each class. `"macro"` is their mean, `"weighted"` their
            mean by the number of samples of a class, `"micro"` the score of the counts of all classes.
        beta: how much more recall weighs than precision; more than 0.
        threshold: in [0, 1]; predictions above it are positive. None makes the greatest prediction of a
            sample positive, the first of equals, none where that is 0 or NaN.
        name: for histories.

    Raises:
        ValueError: a setting is out of range; or, when called, there is one column and no threshold.

    Example:
        >>> import numpy as np
        >>> metric = FBetaScore(average="micro", beta=2.0)
        >>> metric(np.eye(3)[[0, 1, 2, 1]], np.eye(3)[[0, 0, 2, 1]])
        0.75
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
    ) -> None:
        op = type(self).__name__
        if average not in AVERAGES:
            raise ValueError(f"{op}: average must be None, 'micro', 'macro' or 'weighted'; got {average!r}")
        self.average = average
        self.beta = check_number(op, "beta", beta)
        if self.beta <= 0:
            raise ValueError(f"{op}: beta must be more than 0; got {self.beta}")
        self.threshold = None if threshold is None else check_threshold(op, "threshold", threshold)
        super().__init__(name)

    def reset_state(self) -> None:
        """Forget all batches."""
        #: Per class: right positives, all positive predictions, all positive labels.
        self.counts: Array = np.zeros((3, 0))

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch: labels 0 and 1 like y_pred, (N, C), or one class id per sample."""
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        pred = number_array(self.name, "y_pred", y_pred)
        pred = pred.reshape(-1, 1) if pred.ndim < 2 else pred
        classes = pred.shape[-1]
        truth = self._truth(number_array(self.name, "y_true", y_true), pred).reshape(-1, classes)
        rows = pred.shape[:-1]
        positive = self._positive(pred.reshape(-1, classes))
        if not self.counts.size:
            self.counts = np.zeros((3, classes))
        if self.counts.shape[1] != classes:
            raise ValueError(
                f"{self.name}: y_pred must have {self.counts.shape[1]} columns as before; got {classes}"
            )
        weight: Any = np.ones(len(truth))
        if sample_weight is not None:
            weight = row_weight(self.name, sample_weight, rows, np.float64).ravel()
        self.counts += [weight @ each for each in (truth & positive, positive, truth)]

    def check_output(self, output_shape: tuple[int | None, ...]) -> None:
        """One column needs a threshold: of one number each is the greatest."""
        if self.threshold is None and (len(output_shape) < 2 or output_shape[-1] == 1):
            raise ValueError(
                f"{self.name}: threshold must be a number where y_pred has one column; got None; "
                "pass threshold=0.5"
            )

    def _truth(self, target: Array, pred: Array) -> Array:
        classes = pred.shape[-1]
        if classes > 1 and target.shape in (pred.shape[:-1], (*pred.shape[:-1], 1)):
            ids = target.reshape(pred.shape[:-1])
            return ids[..., None] == np.arange(classes)  # type: ignore[no-any-return]
        return dense_target(self.name, "y_true", target, pred.shape, "y_pred").astype(bool)

    def _positive(self, pred: Array) -> Array:
        if self.threshold is not None:
            above: Array = pred > self.threshold
            return above
        self.check_output(pred.shape)
        if not pred.size:
            return np.zeros(pred.shape, bool)
        first = pred.argmax(axis=-1)[:, None]
        greatest: Array = np.take_along_axis(pred, first, -1)
        one: Array = (first == np.arange(pred.shape[-1])) & (np.abs(greatest) > 1e-9)
        return one

    def _score(self, counts: Array) -> Array:
        right, positive, truth = counts
        square = self.beta**2
        whole = square * truth + positive
        score: Array = (1 + square) * right / np.where(whole == 0, 1, whole)
        return score

    def result(self) -> Result:
        """The score, or the list of scores; 0.0 before the first batch."""
        if not self.counts.size:
            return 0.0
        if self.average == "micro":
            return float(self._score(self.counts.sum(axis=1)))
        scores = self._score(self.counts)
        if self.average is None:
            return [float(score) for score in scores]
        if self.average == "macro":
            return float(scores.mean())
        support = self.counts[2]
        return float(scores @ support / support.sum()) if support.any() else 0.0


class F1Score(FBetaScore):
    """`2 tp / (2 tp + fn + fp)`: the harmonic mean of precision and recall.

    Args:
        average: as in `FBetaScore`.
        threshold: as in `FBetaScore`.
        name: for histories.

    Example:
        >>> F1Score(threshold=0.5)([1, 0, 1], [0.9, 0.2, 0.4])
        [0.6666666666666666]
    """

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str = "f1_score"
    ) -> None:
        super().__init__(average, 1.0, threshold, name)
