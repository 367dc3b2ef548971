"""Losses between directions and between distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import targets
from .along import AlongAxis, refuse_gpu
from .base import Array
from .pointwise import EPSILON, PointwiseLoss


class KLDivergence(PointwiseLoss):
    """`sum(y_true log(y_true / y_pred))` over the last axis, both cut to [1e-7, 1].

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> round(KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]), 6)
        0.143841

    References:
        Kullback and Leibler, On information and sufficiency, 1951.
    """

    kernel = "kl_divergence"
    adds_up = True

    def check_values(self, op: str, argument: str, y_true: Array) -> None:
        """Targets are probabilities."""
        targets.require_unit_interval(op, argument, y_true, self.name)

    def terms(self, y: Array, p: Array) -> Any:
        """`y log(y / p)`."""
        y = np.clip(y, EPSILON, 1)
        return y * np.log(y / np.clip(p, EPSILON, 1))

    def slopes(self, y: Array, p: Array) -> Any:
        """`-y / p`; 0 where p is cut."""
        return np.where((p < EPSILON) | (p > 1), 0, -np.clip(y, EPSILON, 1) / p)


class CosineSimilarity(AlongAxis):
    """Minus the cosine of the angle between y_true and y_pred: -1 for one direction, 1 for opposite ones.

    A vector of length 0 has similarity 0 with every other.

    Args:
        axis: the axis of a vector.
        reduction: as in `Loss`.
        name: for histories and messages.

    Raises:
        NotImplementedError: when called, the arrays are on a GPU.

    Example:
        >>> round(CosineSimilarity()([[0, 1], [1, 1]], [[1, 0], [1, 1]]), 6)
        -0.5
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
    ) -> None:
        super().__init__(axis, reduction, name)

    def _align(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        refuse_gpu("CosineSimilarity", y_pred)
        return super()._align(y_true, y_pred)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Minus the cosine of each sample."""
        cosines: Array = (_unit(y_true)[0] * _unit(y_pred)[0]).sum(axis=-1)
        return -cosines

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """`(cos p - y) / |y_pred|` with the unit vectors y and p; along a vector itself it is 0."""
        y, _ = _unit(y_true)
        p, length = _unit(y_pred)
        cosine = np.where(length > EPSILON, (y * p).sum(axis=-1, keepdims=True), 0)
        return (cosine * p - y) / np.maximum(length, EPSILON)


def _unit(x: Array) -> tuple[Array, Array]:
    """Vectors of length 1, and the lengths, of which none counts as less than 1e-7."""
    x = x.astype(np.float64)
    length: Array = np.sqrt(np.square(x).sum(axis=-1, keepdims=True))
    return x / np.maximum(length, EPSILON), length
