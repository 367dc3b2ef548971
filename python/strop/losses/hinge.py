"""Losses of margins: labels -1 and 1, scores of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._backend import array_module, on_gpu
from . import targets
from .along import refuse_gpu
from .base import Array, Loss
from .pointwise import PointwiseLoss


def signs(labels: Array) -> Array:
    """Labels -1 and 1; where all labels are 0 or 1, a 0 becomes -1.

    Example:
        >>> import numpy as np
        >>> signs(np.array([0.0, 1.0])), signs(np.array([-1.0, 1.0]))
        (array([-1.,  1.]), array([-1.,  1.]))
    """
    if on_gpu(labels):  # without asking whether all are: nobody waits for a GPU
        library = array_module(labels)
        moved: Array = library.where(labels == 0, library.asarray(-1, labels.dtype), labels)
        return moved
    return 2 * labels - 1 if ((labels == 0) | (labels == 1)).all() else labels


class _Margin(PointwiseLoss):
    """Base of the losses of `1 - y p`."""

    def check_values(self, op: str, argument: str, y_true: Array) -> None:
        """Labels are 0 and 1, or -1 and 1."""
        zeros, minus = y_true == 0, y_true == -1
        bad = ~(zeros | minus | (y_true == 1))
        if not bad.any() and minus.any():
            bad = zeros
        if bad.any():
            raise ValueError(
                f"{op}: {argument} must hold 0 and 1, or -1 and 1, for {self.name}; "
                f"{targets.first(y_true, bad)}"
            )

    def _align(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        target, pred = super()._align(y_true, y_pred)
        return signs(target), pred


class Hinge(_Margin):
    """Mean of `max(1 - y_true y_pred, 0)`; labels 0 and 1 become -1 and 1.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> Hinge()([[-1], [1]], [[0.6], [0.6]])
        1.0
    """

    kernel = "hinge"

    def terms(self, y: Array, p: Array) -> Any:
        """`max(1 - y p, 0)`."""
        return np.maximum(1 - y * p, 0)

    def slopes(self, y: Array, p: Array) -> Any:
        """`-y` inside the margin, 0 outside."""
        return _inside(1 - y * p, -y)


class SquaredHinge(_Margin):
    """Mean of `max(1 - y_true y_pred, 0)^2`; labels 0 and 1 become -1 and 1.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> round(SquaredHinge()([[-1], [1]], [[0.6], [0.6]]), 6)
        1.36
    """

    kernel = "squared_hinge"

    def terms(self, y: Array, p: Array) -> Any:
        """`max(1 - y p, 0)^2`."""
        return np.square(np.maximum(1 - y * p, 0))

    def slopes(self, y: Array, p: Array) -> Any:
        """`-2 y max(1 - y p, 0)`."""
        return -2 * y * np.maximum(1 - y * p, 0)


class CategoricalHinge(Loss):
    """`max(neg - pos + 1, 0)` with pos the score of the true class and neg the greatest `(1 - y_true) y_pred`.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Raises:
        NotImplementedError: when called, the arrays are on a GPU.

    Example:
        >>> round(CategoricalHinge()([[0, 1, 0]], [[0.1, 0.7, 0.6]]), 6)
        0.9
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "categorical_hinge"
    ) -> None:
        super().__init__(name, reduction)

    def align_target(self, op: str, argument: str, array: Array, shape: targets.Shape, like: str) -> Array:
        """One-hot labels in the shape of the predictions."""
        return targets.one_hot(op, argument, array, shape, like, "")

    def _align(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        refuse_gpu("CategoricalHinge", y_pred)
        return super()._align(y_true, y_pred)

    def _scores(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array]:
        """Labels, `(1 - y) p`, and neg - pos + 1 of each sample with the last axis kept."""
        y, p = y_true.astype(np.float64), y_pred.astype(np.float64)
        others = (1 - y) * p
        return y, others, others.max(axis=-1, keepdims=True) - (y * p).sum(axis=-1, keepdims=True) + 1

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The loss of each sample."""
        if y_pred.shape[-1] == 0:
            return np.zeros(y_pred.shape[:-1])
        return np.maximum(self._scores(y_true, y_pred)[2], 0)[..., 0]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """`(1 - y)` at the greatest, shared evenly by equals, less y; 0 outside the margin."""
        if y_pred.shape[-1] == 0:
            return np.zeros(y_pred.shape)
        y, others, margin = self._scores(y_true, y_pred)
        greatest = others == others.max(axis=-1, keepdims=True)
        share = greatest / np.maximum(greatest.sum(axis=-1, keepdims=True), 1)
        return _inside(margin, share * (1 - y) - y)


def _inside(margin: Array, slopes: Array) -> Array:
    """The slopes where the margin is positive, 0 elsewhere; NaN stays."""
    return np.where(np.isnan(margin), margin, np.where(margin > 0, slopes, 0))
