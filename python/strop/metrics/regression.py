"""R2: the share of the variance of the targets that predictions explain."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from .._names import check_whole
from ..losses.targets import row_weight
from .base import Array, Metric, Result, aligned, refuse_gpu

AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """`1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2)` over all samples.

    Where the targets are constant it is 1 for perfect predictions and 0 for others.

    Args:
        class_aggregation: for several outputs, `"uniform_average"` is the mean of their scores,
            `"variance_weighted_average"` their mean by variance, None the list.
        num_regressors: number of inputs of the regression, for the adjusted score; 0 is the plain one.
        name: for histories.

    Raises:
        ValueError: a setting is unknown or negative.

    Example:
        >>> R2Score()([1, 2, 3], [1, 2, 4])
        0.5
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
    ) -> None:
        if class_aggregation not in AGGREGATIONS:
            raise ValueError(
                "R2Score: class_aggregation must be None, 'uniform_average' or 'variance_weighted_average'; "
                f"got {class_aggregation!r}"
            )
        check_whole("R2Score", "num_regressors", num_regressors, 0)
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        super().__init__(name)

    def reset_state(self) -> None:
        """Forget all batches."""
        self.samples = 0
        self.weight = 0.0
        #: Per output: mean of the targets, squares around it, squares of the errors.
        self.sums: Array = np.zeros((3, 0))

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch, (N, D) or (N,).

        Means and squares of two sets are joined, which loses no digits where the mean is far from 0.
        """
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        target, pred = aligned(self.name, y_true, y_pred)
        rows, outputs = target.shape[:-1], target.shape[-1]
        if not self.sums.size:
            self.sums = np.zeros((3, outputs))
        if self.sums.shape[1] != outputs:
            raise ValueError(
                f"{self.name}: y_pred must have {self.sums.shape[1]} columns as before; got {outputs}"
            )
        y, p = (each.reshape(-1, outputs).astype(np.float64) for each in (target, pred))
        weight: Array = np.ones(len(y))
        if sample_weight is not None:
            weight = row_weight(self.name, sample_weight, rows, np.float64).ravel()
        added = float(weight.sum())
        self.samples += len(y)
        if not added:
            return
        mean = weight @ y / added
        apart = mean - self.sums[0]
        whole = self.weight + added
        self.sums[0] += apart * (added / whole)
        self.sums[1] += weight @ np.square(y - mean) + np.square(apart) * (self.weight * added / whole)
        self.sums[2] += weight @ np.square(y - p)
        self.weight = whole

    def result(self) -> Result:
        """The score; 0.0 before the first batch."""
        if not self.weight or not self.sums.size:
            return 0.0
        _, total, error = self.sums
        scores = np.where(total == 0, error == 0, 1 - error / np.where(total == 0, 1, total))
        if self.class_aggregation is None:
            return [self._adjusted(float(score)) for score in scores]
        weights = total if self.class_aggregation == "variance_weighted_average" else np.ones(len(total))
        weights = weights if weights.any() else np.ones(len(total))
        return self._adjusted(float(scores @ weights / weights.sum()))

    def _adjusted(self, score: float) -> float:
        free = self.samples - self.num_regressors - 1
        if not self.num_regressors:
            return score
        if free <= 0:
            warnings.warn(
                f"{self.name}: num_regressors must be less than the number of samples less 1 "
                f"({self.samples - 1}) for the adjusted score; got {self.num_regressors}; this is the plain one",
                UserWarning,
                stacklevel=3,
            )
            return score
        return 1 - (1 - score) * (self.samples - 1) / free
