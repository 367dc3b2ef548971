"""What an optimizer adds up over steps: gradients before an update, parameters after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from .. import ops
from .._backend import array_module
from .._memory import copy_into, zeros_beside
from ..rowgrad import RowGrad

Array = NDArray[Any]
Grad = Array | RowGrad | None


class Accumulator:
    """The mean or the sum of the gradients of several calls.

    Gradients are copied or added at once: their owner may overwrite them between two calls.

    Args:
        steps: calls that make one gradient.
        reduction: `"mean"` or `"sum"`.
    """

    def __init__(self, steps: int, reduction: str = "mean") -> None:
        self.steps, self.reduction = steps, reduction
        self.calls = 0
        self._sums: list[Grad] = []

    def add(self, grads: list[Grad]) -> list[Grad] | None:
        """What has been added up if this call completes it, else None."""
        if not self.calls:
            self._sums = [None] * len(grads)
        self._sums = [_sum(total, grad) for total, grad in zip(self._sums, grads, strict=True)]
        self.calls += 1
        return self.take() if self.calls == self.steps else None

    def take(self) -> list[Grad] | None:
        """What has been added up so far, which is forgotten then; None before the first call."""
        if not self.calls:
            return None
        sums, count, self._sums, self.calls = self._sums, self.calls, [], 0
        return sums if self.reduction == "sum" else [_share(total, count) for total in sums]

    def dense(self, place: int, like: Array) -> Array:
        """A copy of what has been added up for a parameter; zeros where nothing has."""
        total = self._sums[place]
        if isinstance(total, RowGrad):
            return total.to_dense()
        return zeros_beside(like) if total is None else total.copy()

    def converted(self, convert: Callable[[Array], Array]) -> list[Grad]:
        """What has been added up, in arrays that `convert` makes of ours."""
        return [_converted(total, convert) for total in self._sums]

    def restore(self, calls: int, sums: list[Grad]) -> None:
        """Go on from a number of calls and their sums."""
        self.calls, self._sums = calls, sums


def _converted(total: Grad, convert: Callable[[Array], Array]) -> Grad:
    if total is None or not isinstance(total, RowGrad):
        return None if total is None else convert(total)
    made = RowGrad.trusted(convert(total.rows), convert(total.values), total.shape)
    made.unique = total.unique
    return made


def _share(total: Grad, count: int) -> Grad:
    if isinstance(total, RowGrad):
        once = total.coalesce()
        return RowGrad.trusted(once.rows, once.values / once.dtype.type(count), once.shape)
    if total is not None:
        total /= count
    return total


def _sum(total: Grad, grad: Grad) -> Grad:
    if grad is None:
        return total
    if total is None:
        if isinstance(grad, RowGrad):
            return RowGrad(grad.rows.copy(), grad.values.copy(), grad.shape)
        return grad.copy()
    if isinstance(total, RowGrad) and isinstance(grad, RowGrad):
        join = array_module(total.values).concatenate
        return RowGrad(join([total.rows, grad.rows]), join([total.values, grad.values]), total.shape)
    if isinstance(total, RowGrad):
        total = total.to_dense()
    total += grad.to_dense() if isinstance(grad, RowGrad) else grad
    return total


def average(averages: list[Array], arrays: list[Array], momentum: float) -> None:
    """Move each average towards its parameter, in one call; after the first update it is the parameter (momentum 0)."""
    if momentum == 0:
        for mean, array in zip(averages, arrays, strict=True):
            copy_into(mean, array)
        return
    # A step along average - param, which the kernel forms: l2 adds the one, grad_scale turns the other. To scale the
    # average by momentum instead would leave a bias of 3e-5 where momentum is 0.999 and floats have 24 bits.
    ops.sgd_step(param=averages, grad=arrays, learning_rate=1 - momentum, l2=1.0, grad_scale=-1.0)
