"""Losses between numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import ops
from .base import Array, Loss, ValueAndGrad


class MeanSquaredError(Loss):
    """Mean of `(y_true - y_pred)^2`.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [1, 0]])
        0.5
    """

    regression = True

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error"
    ) -> None:
        super().__init__(name, reduction)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The mean over the last axis."""
        return np.square(np.subtract(y_pred, y_true, dtype=np.float64)).mean(axis=-1)  # type: ignore[no-any-return]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """`2 (y_pred - y_true) / D`."""
        return np.subtract(y_pred, y_true, dtype=np.float64) * (2 / max(1, y_pred.shape[-1]))  # type: ignore[no-any-return]

    def value_and_grad(
        self, y_true: ArrayLike, y_pred: Array, sample_weight: ArrayLike | None = None
    ) -> ValueAndGrad:
        """The loss and its gradient, by the kernel."""
        target, pred = self._align(y_true, y_pred)
        value, grad = self._by_kernel(ops.mean_squared_error, target, pred, sample_weight)
        return value, grad.reshape(y_pred.shape)


class MeanAbsoluteError(Loss):
    """Mean of `|y_true - y_pred|`; its gradient is 0 where they are equal.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> MeanAbsoluteError()([[0, 1], [0, 0]], [[1, 1], [3, 0]])
        1.0
    """

    regression = True

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error"
    ) -> None:
        super().__init__(name, reduction)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The mean over the last axis."""
        return np.abs(np.subtract(y_pred, y_true, dtype=np.float64)).mean(axis=-1)  # type: ignore[no-any-return]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """`sign(y_pred - y_true) / D`."""
        sign = np.sign(np.subtract(y_pred, y_true, dtype=np.float64))
        return sign / max(1, y_pred.shape[-1])  # type: ignore[no-any-return]

    def value_and_grad(
        self, y_true: ArrayLike, y_pred: Array, sample_weight: ArrayLike | None = None
    ) -> ValueAndGrad:
        """The loss and its gradient, by the kernel."""
        target, pred = self._align(y_true, y_pred)
        value, grad = self._by_kernel(ops.mean_absolute_error, target, pred, sample_weight)
        return value, grad.reshape(y_pred.shape)
