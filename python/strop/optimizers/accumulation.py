"""What an optimizer adds up over steps: gradients before an update, parameters after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rowgrad import RowGrad

Array = NDArray[Any]
Grad = Array | RowGrad | None


class Accumulator:
    """The mean gradient of several calls.

    Gradients are copied or added at once: their owner may overwrite them between two calls.

    Args:
        steps: calls that make one mean.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.calls = 0
        self._sums: list[Grad] = []

    def add(self, grads: list[Grad]) -> list[Grad] | None:
        """The means if this call completes them, else None."""
        if not self.calls:
            self._sums = [None] * len(grads)
        self._sums = [_sum(total, grad) for total, grad in zip(self._sums, grads, strict=True)]
        self.calls += 1
        if self.calls < self.steps:
            return None
        sums, self._sums, self.calls = self._sums, [], 0
        return [self._mean(total) for total in sums]

    def _mean(self, total: Grad) -> Grad:
        if isinstance(total, RowGrad):
            once = total.coalesce()
            return RowGrad.trusted(once.rows, once.values / once.dtype.type(self.steps), once.shape)
        if total is not None:
            total /= self.steps
        return total


def _sum(total: Grad, grad: Grad) -> Grad:
    if grad is None:
        return total
    if total is None:
        if isinstance(grad, RowGrad):
            return RowGrad(grad.rows.copy(), grad.values.copy(), grad.shape)
        return grad.copy()
    if isinstance(total, RowGrad) and isinstance(grad, RowGrad):
        rows = np.concatenate([total.rows, grad.rows])
        return RowGrad(rows, np.concatenate([total.values, grad.values]), total.shape)
    if isinstance(total, RowGrad):
        total = total.to_dense()
    total += grad.to_dense() if isinstance(grad, RowGrad) else grad
    return total


def average(averages: list[Array], arrays: list[Array], momentum: float) -> None:
    """Move each average towards its parameter; after the first update it is the parameter (momentum 0)."""
    for mean, array in zip(averages, arrays, strict=True):
        mean *= momentum
        mean += (1 - momentum) * array
