"""The area under the curve of a classifier: ROC, or precision over recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._names import check_number, check_whole
from ..losses.targets import row_weight
from .accuracy import check_threshold
from .areas import METHODS, area, counts_by_bucket, counts_by_score
from .base import Array, Metric, aligned, refuse_gpu

CURVES = ("ROC", "PR")


class AUC(Metric):
    """The area under ROC (right positives over false ones) or PR (precision over recall).

    The curve has a point per threshold, as in Keras, and counts accumulate over the batches. 200 thresholds
    stand evenly in [0, 1]: scores that lie between two of them are not told apart. `num_thresholds=None`
    is exact: every score is a threshold, and all scores of an epoch are kept, 9 or 13 bytes each.

    Args:
        num_thresholds: 2 or more, or None for the exact area.
        curve: `"ROC"` or `"PR"`.
        summation_method: `"interpolation"` (for PR that of Davis and Goadrich), `"minoring"` or `"majoring"`.
        name: for histories.
        thresholds: a list of numbers in [0, 1] in place of num_thresholds; 0 and 1 are added.
        multi_label: every column of y_pred has a curve of its own; the result is their mean.
        num_labels: the number of columns, for a check; with multi_label only.
        label_weights: weights of the columns in that mean; without multi_label, of their predictions.
        from_logits: y_pred holds logits z; the scores are sigmoid(z).

    Raises:
        ValueError: a setting is out of range, or, when called, the number of columns is another.

    Example:
        >>> round(AUC()([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]), 6)
        0.75
        >>> round(AUC(curve="PR")([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]), 6)
        0.797267

    References:
        Davis and Goadrich, The relationship between precision-recall and ROC curves, 2006.
    """

    def __init__(
        self,
        num_thresholds: int | None = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str = "auc",
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if curve not in CURVES:
            raise ValueError(f"AUC: curve must be 'ROC' or 'PR'; got {curve!r}")
        if summation_method not in METHODS:
            raise ValueError(
                f"AUC: summation_method must be one of {', '.join(METHODS)}; got {summation_method!r}"
            )
        if num_thresholds is not None:
            check_whole("AUC", "num_thresholds", num_thresholds, 2)
        if num_labels is not None:
            check_whole("AUC", "num_labels", num_labels, 1)
            if not multi_label:
                raise ValueError(f"AUC: num_labels must be None without multi_label; got {num_labels}")
        self.num_thresholds = num_thresholds
        self.curve = curve
        self.summation_method = summation_method
        self.thresholds: list[float] | None = None
        if thresholds is not None:
            given = [check_threshold("AUC", f"thresholds[{i}]", t) for i, t in enumerate(thresholds)]
            self.thresholds = sorted(given)
        self.multi_label = bool(multi_label)
        self.num_labels = num_labels
        self.label_weights: list[float] | None = None
        if label_weights is not None:
            self.label_weights = [
                check_number("AUC", f"label_weights[{i}]", w, low=0) for i, w in enumerate(label_weights)
            ]
        self.from_logits = bool(from_logits)
        super().__init__(name)

    @property
    def _exact(self) -> bool:
        return self.num_thresholds is None and self.thresholds is None

    def reset_state(self) -> None:
        """Forget all batches."""
        #: Per column and threshold: the weights of positive labels, and of negative ones, above it; all of them.
        self._above: Array | None = None
        self._kept: list[tuple[Array, Array, Array | None]] = []

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch."""
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        target, score = aligned(self.name, y_true, y_pred)
        columns = score.shape[-1]
        self._check_columns(columns)
        weight: Any = None
        if sample_weight is not None:
            weight = row_weight(self.name, sample_weight, score.shape[:-1], np.float64)
            weight = np.broadcast_to(weight[..., None], score.shape)
        if self.label_weights is not None and not self.multi_label:
            weight = np.asarray(self.label_weights) * (1.0 if weight is None else weight)
            weight = np.broadcast_to(weight, score.shape)
        if self.from_logits:
            with np.errstate(over="ignore"):
                score = 1 / (1 + np.exp(-score.astype(np.float64)))
        width = columns if self.multi_label else 1  # without multi_label all columns are one
        truth, score = ((target != 0).reshape(-1, width).T, score.reshape(-1, width).T)
        weight = None if weight is None else weight.reshape(-1, width).T
        if self._exact:
            self._kept.append((truth.copy(), score.copy(), None if weight is None else weight.copy()))
            return
        counts = counts_by_bucket(truth, score, weight, self.thresholds or self.num_thresholds)
        self._above = counts if self._above is None else self._above + counts

    def _check_columns(self, columns: int) -> None:
        known = self.num_labels
        if self.multi_label and known is None:
            known = len(self._kept[0][0]) if self._kept else None if self._above is None else len(self._above)
        if known is not None and columns != known:
            raise ValueError(f"{self.name}: y_pred must have {known} columns; got {columns}")
        if self.label_weights is not None and len(self.label_weights) != columns:
            raise ValueError(
                f"{self.name}: label_weights must have one number per column ({columns}); "
                f"got {len(self.label_weights)}"
            )

    def result(self) -> float:
        """The area; 0.0 before the first batch, and where all labels are the same."""
        if self._exact:
            curves = counts_by_score(self._kept)
        else:
            curves = [] if self._above is None else list(self._above)
        areas = [area(above, false_above, self.curve, self.summation_method) for above, false_above in curves]
        if not areas:
            return 0.0
        if self.multi_label and self.label_weights is not None:
            whole = sum(self.label_weights)
            return float(np.dot(areas, self.label_weights)) / whole if whole else 0.0
        return float(np.mean(areas))
