"""Cross-entropies in which samples that are already right count less.

Lin et al., Focal loss for dense object detection, 2017: a sample's cross-entropy is multiplied by
`(1 - p_t)^gamma`, where p_t is the probability that the model gives to the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._names import check_number
from .along import refuse_gpu
from .base import Array, ValueAndGrad
from .crossentropy import (
    HIGH,
    LOW,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    log_probabilities,
)

#: The least normal number: divisors are at least that.
TINY = float(np.finfo(np.float64).tiny)


class BinaryFocalCrossentropy(BinaryCrossentropy):
    """Mean of `(1 - p_t)^gamma` times the binary cross-entropy, `p_t = y p + (1 - y) (1 - p)`.

    Args:
        apply_class_balancing: also multiply by `alpha` for label 1 and by `1 - alpha` for label 0.
        alpha: weight of label 1, in [0, 1].
        gamma: 0 or more; 0 is the binary cross-entropy.
        from_logits: y_pred holds logits z, p = sigmoid(z).
        label_smoothing: s moves the labels to `y (1 - s) + s / 2`.
        axis: the axis that is averaged first.
        reduction: as in `Loss`.
        name: for histories and messages.

    Raises:
        NotImplementedError: when called, the arrays are on a GPU.

    Example:
        >>> round(BinaryFocalCrossentropy()([[1], [0]], [[0.8], [0.4]]), 6)
        0.045329
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name)
        op = "BinaryFocalCrossentropy"
        self.apply_class_balancing = bool(apply_class_balancing)
        self.alpha = check_number(op, "alpha", alpha, low=0)
        if self.alpha > 1:
            raise ValueError(f"{op}: alpha must lie in [0, 1]; got {self.alpha}")
        self.gamma = check_number(op, "gamma", gamma, low=0)

    def _align(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        refuse_gpu("BinaryFocalCrossentropy", y_pred)
        return super()._align(y_true, y_pred)

    def _labels(self, y_true: Array) -> tuple[Array, Array | float]:
        """Smoothed labels and the weights of the balance."""
        y = self._smooth(y_true.astype(np.float64))
        balance = y * self.alpha + (1 - y) * (1 - self.alpha) if self.apply_class_balancing else 1.0
        return y, balance

    def _from_logits(self, y_true: Array, z: Array) -> tuple[Array, Array, Array]:
        """Terms, slopes by the logits, and probabilities."""
        y, balance = self._labels(y_true)
        z = z.astype(np.float64)
        p, q = _sigmoid(z), _sigmoid(-z)
        entropy = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
        wrong = y * q + (1 - y) * p  # 1 - p_t, without cancellation
        focus = wrong**self.gamma
        bend = self.gamma * focus * p * (q / np.maximum(wrong, TINY)) * (1 - 2 * y)
        return balance * focus * entropy, balance * (focus * (p - y) + bend * entropy), p

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The mean over the last axis."""
        if self.from_logits:
            terms: Any = self._from_logits(y_true, y_pred)[0]
        else:
            y, balance = self._labels(y_true)
            p = y_pred.astype(np.float64)
            cut = np.clip(p, LOW, HIGH)
            entropy = -(y * np.log(cut) + (1 - y) * np.log1p(-cut))
            with np.errstate(invalid="ignore"):
                terms = balance * (y + p - 2 * y * p) ** self.gamma * entropy
        return terms.sum(axis=-1) / max(1, y_pred.shape[-1])  # type: ignore[no-any-return]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """By the probabilities; what cutting them adds is 0."""
        y, balance = self._labels(y_true)
        p = y_pred.astype(np.float64)
        cut = np.clip(p, LOW, HIGH)
        entropy = -(y * np.log(cut) + (1 - y) * np.log1p(-cut))
        inside = (p >= LOW) & (p <= HIGH)
        wrong = y + p - 2 * y * p
        with np.errstate(invalid="ignore"):
            focus = wrong**self.gamma
        bend = self.gamma * focus / np.maximum(wrong, TINY) * (1 - 2 * y)
        slopes = balance * (focus * np.where(inside, (cut - y) / (cut * (1 - cut)), 0) + bend * entropy)
        return slopes / max(1, p.shape[-1])  # type: ignore[no-any-return]

    def value_and_grad_from_logits(
        self,
        y_true: ArrayLike,
        logits: Array,
        sample_weight: ArrayLike | None = None,
        probabilities: Array | None = None,
    ) -> ValueAndGrad:
        """Value and gradient without rounding a probability to 0 or 1."""
        target, pred = self._align(y_true, logits)
        terms, slopes, p = self._from_logits(target, pred)
        if probabilities is not None:
            probabilities[...] = p.reshape(probabilities.shape)
        width = max(1, pred.shape[-1])
        return self._reduced(target, terms.sum(axis=-1) / width, slopes / width, sample_weight, logits)


def _sigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, 1.0) / (1.0 + e)


class CategoricalFocalCrossentropy(CategoricalCrossentropy):
    """`-sum(alpha (1 - p)^gamma y log p)` over the classes; p is first divided by its sum.

    Args:
        alpha: weight of all classes, or a list with one weight per class; 0 or more.
        gamma: 0 or more; 0 is the categorical cross-entropy times alpha.
        from_logits: y_pred holds logits z, p = softmax(z).
        label_smoothing: s moves the labels to `y (1 - s) + s / C`.
        axis: the axis of the classes.
        reduction: as in `Loss`.
        name: for histories and messages.

    Raises:
        NotImplementedError: when called, the arrays are on a GPU.

    Example:
        >>> round(CategoricalFocalCrossentropy()([[0, 1, 0]], [[0.1, 0.7, 0.2]]), 6)
        0.008025
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name)
        op = "CategoricalFocalCrossentropy"
        self.alpha: float | list[float]
        if isinstance(alpha, list | tuple | np.ndarray):
            self.alpha = [check_number(op, f"alpha[{i}]", a, low=0) for i, a in enumerate(alpha)]
        else:
            self.alpha = check_number(op, "alpha", alpha, low=0)
        self.gamma = check_number(op, "gamma", gamma, low=0)

    def _align(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        refuse_gpu("CategoricalFocalCrossentropy", y_pred)
        target, pred = super()._align(y_true, y_pred)
        if isinstance(self.alpha, list) and len(self.alpha) != pred.shape[-1]:
            raise ValueError(
                f"CategoricalFocalCrossentropy: alpha must have one number per class ({pred.shape[-1]}); "
                f"got {len(self.alpha)}"
            )
        return target, pred

    def _terms(self, y_true: Array, logs: Array) -> tuple[Array, Array]:
        """Terms of the classes and their derivatives by log p."""
        y = self._smooth(y_true.astype(np.float64)) * np.asarray(self.alpha)
        p, rest = np.exp(logs), -np.expm1(logs)
        focus = rest**self.gamma
        # log(p) / (1 - p) tends to -1 where p is 1
        ratio = np.divide(logs, rest, out=np.full_like(logs, -1.0), where=rest != 0)
        bend = self.gamma * focus * p * ratio
        return -y * focus * logs, -y * np.where(y == 0, 0, focus - bend)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The sum over the last axis."""
        return self._terms(y_true, log_probabilities(y_pred, self.from_logits))[0].sum(axis=-1)  # type: ignore[no-any-return]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """By the probabilities, through the division by their sum; 0 where they are cut."""
        p: Any = y_pred.astype(np.float64)
        total = p.sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = p / total
            slopes = self._terms(y_true, log_probabilities(y_pred, False))[1]
            slopes = np.where((share >= LOW) & (share <= HIGH), slopes, 0)
            return np.where(slopes == 0, 0, slopes / p) - slopes.sum(axis=-1, keepdims=True) / total  # type: ignore[no-any-return]

    def value_and_grad_from_logits(
        self,
        y_true: ArrayLike,
        logits: Array,
        sample_weight: ArrayLike | None = None,
        probabilities: Array | None = None,
    ) -> ValueAndGrad:
        """Value and gradient without rounding a probability to 0 or 1."""
        target, pred = self._align(y_true, logits)
        logs = log_probabilities(pred, True)
        terms, slopes = self._terms(target, logs)
        p = np.exp(logs)
        if probabilities is not None:
            probabilities[...] = p
        grad = slopes - p * slopes.sum(axis=-1, keepdims=True)
        return self._reduced(target, terms.sum(axis=-1), grad, sample_weight, logits)
