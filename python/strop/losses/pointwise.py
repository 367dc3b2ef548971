"""Losses that are a term per element: the mean, or the sum, of the terms over the last axis."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import ops
from .base import Array, Loss, ValueAndGrad

#: What keeps divisions and logarithms finite, as in Keras.
EPSILON = 1e-7


class PointwiseLoss(Loss):
    """Base: a class defines `terms`, and `slopes`, their derivative by the prediction; training takes the kernel."""

    #: The name of the kernel in `ops.pointwise_loss`.
    kernel: ClassVar[str]
    #: Whether a sample's value is the sum of its terms, not their mean.
    adds_up: ClassVar[bool] = False

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None) -> None:
        super().__init__(name, reduction)

    def terms(self, y: Array, p: Array) -> Any:
        """The loss of each element, from float64 arrays of one shape."""
        raise NotImplementedError(f"{type(self).__name__}: terms must be defined by the class")

    def slopes(self, y: Array, p: Array) -> Any:
        """The derivative of `terms` by p."""
        raise NotImplementedError(f"{type(self).__name__}: slopes must be defined by the class")

    def _divisor(self, y_pred: Array) -> int:
        return 1 if self.adds_up else max(1, y_pred.shape[-1])

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The mean, or the sum, over the last axis."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            terms = self.terms(y_true.astype(np.float64), y_pred.astype(np.float64))
            return terms.sum(axis=-1) / self._divisor(y_pred)  # type: ignore[no-any-return]

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """The derivative of a sample's value by its predictions."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            slopes = self.slopes(y_true.astype(np.float64), y_pred.astype(np.float64))
            return slopes / self._divisor(y_pred)  # type: ignore[no-any-return]

    def kernel_settings(self) -> dict[str, float]:
        """What the kernel takes besides the name."""
        return {}

    def value_and_grad(
        self, y_true: ArrayLike, y_pred: Array, sample_weight: ArrayLike | None = None
    ) -> ValueAndGrad:
        """The loss and its gradient, by the kernel."""
        target, pred = self._align(y_true, y_pred)
        kernel = functools.partial(ops.pointwise_loss, name=self.kernel)
        value, grad = self._by_kernel(kernel, target, pred, sample_weight, **self.kernel_settings())
        return value, grad.reshape(y_pred.shape)
