"""Cross-entropies. In a model that ends in sigmoid or softmax they are computed from the logits.

Free-standing probabilities are cut to [1e-7, 1 - 1e-7], both rounded to float32 as in Keras: a certain but
wrong 0 costs 16.118096, a certain but wrong 1 costs 15.942385, and the gradient beyond the cut is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import ops
from .._names import check_number
from . import targets
from .along import AlongAxis
from .base import Array, ValueAndGrad

LOW, HIGH = float(np.float32(1e-7)), float(np.float32(1 - 1e-7))


def smoothing(op: str, value: float) -> float:
    """The label smoothing as a float in [0, 1]."""
    value = check_number(op, "label_smoothing", value, low=0)
    if value > 1:
        raise ValueError(f"{op}: label_smoothing must lie in [0, 1]; got {value}")
    return value


class CrossEntropy(AlongAxis):
    """Base of the cross-entropies: classes along `axis`, probabilities or logits."""

    def __init__(self, from_logits: bool, axis: int, reduction: str | None, name: str) -> None:
        super().__init__(axis, reduction, name)
        self.from_logits = bool(from_logits)

    def value_and_grad(
        self, y_true: ArrayLike, y_pred: Array, sample_weight: ArrayLike | None = None
    ) -> ValueAndGrad:
        """The loss and its gradient; from logits by the kernel."""
        if self.from_logits:
            return self.value_and_grad_from_logits(y_true, y_pred, sample_weight)
        return super().value_and_grad(y_true, y_pred, sample_weight)


class BinaryCrossentropy(CrossEntropy):
    """Mean of `-(y log p + (1 - y) log(1 - p))`.

    Args:
        from_logits: y_pred holds logits z, p = sigmoid(z).
        label_smoothing: s moves the labels to `y (1 - s) + s / 2`.
        axis: the axis that is averaged first.
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> round(BinaryCrossentropy()([[1], [0]], [[0.8], [0.4]]), 6)
        0.366985
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
    ) -> None:
        super().__init__(from_logits, axis, reduction, name)
        self.label_smoothing = smoothing(type(self).__name__, label_smoothing)
        self.logits_activation = None if self.from_logits else "sigmoid"

    def check_values(self, op: str, argument: str, y_true: Array) -> None:
        """Labels lie in [0, 1]."""
        targets.require_unit_interval(op, argument, y_true, self.name)

    def align_target(self, op: str, argument: str, array: Array, shape: targets.Shape, like: str) -> Array:
        """The labels in the shape of the predictions."""
        return targets.binary(op, argument, array, shape, like)

    def _smooth(self, target: Array) -> Array:
        s = self.label_smoothing
        return target * target.dtype.type(1 - s) + target.dtype.type(s / 2) if s else target

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The mean over the last axis."""
        y, p = self._smooth(y_true.astype(np.float64)), y_pred.astype(np.float64)
        if self.from_logits:
            terms = np.maximum(p, 0) - p * y + np.log1p(np.exp(-np.abs(p)))
        else:
            p = np.clip(p, LOW, HIGH)
            terms = -(y * np.log(p) + (1 - y) * np.log1p(-p))
        return terms.mean(axis=-1)  # type: ignore[no-any-return]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """`(p - y) / (p (1 - p))` over D; 0 where p is cut."""
        y, p = self._smooth(y_true.astype(np.float64)), y_pred.astype(np.float64)
        inside = (p >= LOW) & (p <= HIGH)
        p = np.clip(p, LOW, HIGH)
        return inside * (p - y) / (p * (1 - p)) / max(1, p.shape[-1])  # type: ignore[no-any-return]

    def value_and_grad_from_logits(
        self,
        y_true: ArrayLike,
        logits: Array,
        sample_weight: ArrayLike | None = None,
        probabilities: Array | None = None,
    ) -> ValueAndGrad:
        """`max(z, 0) - z y + log1p(exp(-|z|))` and `(p - y) w / n`, by the kernel."""
        target, pred = self._align(y_true, logits)
        value, grad = self._by_kernel(
            ops.binary_cross_entropy, self._smooth(target), pred, sample_weight, probabilities=probabilities
        )
        return value, self._finish(grad, logits)


class CategoricalCrossentropy(CrossEntropy):
    """`-sum(y log p)` over the classes, y one-hot or other probabilities; p is first divided by its sum.

    Args:
        from_logits: y_pred holds logits z, p = softmax(z).
        label_smoothing: s moves the labels to `y (1 - s) + s / C`.
        axis: the axis of the classes.
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> round(CategoricalCrossentropy()([[0, 1, 0]], [[0.1, 0.7, 0.2]]), 6)
        0.356675
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
    ) -> None:
        super().__init__(from_logits, axis, reduction, name)
        self.label_smoothing = smoothing(type(self).__name__, label_smoothing)
        self.logits_activation = None if self.from_logits else "softmax"

    def align_target(self, op: str, argument: str, array: Array, shape: targets.Shape, like: str) -> Array:
        """One-hot labels in the shape of the predictions."""
        hint = "; use sparse_categorical_crossentropy for class ids"
        return targets.one_hot(op, argument, array, shape, like, hint)

    def _smooth(self, target: Array) -> Array:
        s = self.label_smoothing
        return target * (1 - s) + s / max(1, target.shape[-1]) if s else target

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The sum over the last axis."""
        y = self._smooth(y_true.astype(np.float64))
        return -(y * log_probabilities(y_pred, self.from_logits)).sum(axis=-1)  # type: ignore[no-any-return]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """`sum(y) / sum(p) - y / p`, where p is not cut."""
        return gradient_by_probabilities(self._smooth(y_true.astype(np.float64)), y_pred)

    def value_and_grad_from_logits(
        self,
        y_true: ArrayLike,
        logits: Array,
        sample_weight: ArrayLike | None = None,
        probabilities: Array | None = None,
    ) -> ValueAndGrad:
        """`logsumexp(z) - <y, z>` and `(p - y) w / n`, by the kernel."""
        target, pred = self._align(y_true, logits)
        value, grad = self._by_kernel(
            ops.softmax_cross_entropy,
            target,
            pred,
            sample_weight,
            label_smoothing=self.label_smoothing,
            probabilities=probabilities,
        )
        return value, self._finish(grad, logits)


def log_probabilities(y_pred: Array, from_logits: bool) -> Array:
    """Logarithms of the probabilities along the last axis, in float64."""
    p: Any = y_pred.astype(np.float64)
    if p.size == 0:
        return p  # type: ignore[no-any-return]
    if from_logits:
        shifted = p - p.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # type: ignore[no-any-return]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(np.clip(p / p.sum(axis=-1, keepdims=True), LOW, HIGH))  # type: ignore[no-any-return]


def gradient_by_probabilities(y: Array, y_pred: Array) -> Array:
    """The derivative of `-sum(y log(cut(p / sum(p))))` by p."""
    p: Any = y_pred.astype(np.float64)
    total = p.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = p / total
        inside = np.where((share >= LOW) & (share <= HIGH), y, 0)
        per_class = np.where(inside == 0, 0, inside / p)
        return inside.sum(axis=-1, keepdims=True) / total - per_class  # type: ignore[no-any-return]
