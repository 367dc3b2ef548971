"""Schedules that take a number of epochs to come from one factor to another; the usual warm-ups."""

from __future__ import annotations

from typing import Any

from ..._names import check_number, check_whole
from .base import LRScheduler


class ConstantLR(LRScheduler):
    """Multiply the rate by `factor` until epoch `total_iters`.

    Args:
        optimizer: an optimizer of `strop.optim`.
        factor: in [0, 1].
        total_iters: the epoch from which the full rate holds.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        ValueError: factor lies outside [0, 1], or total_iters is no whole number from 0.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = ConstantLR(optimizer, factor=0.5, total_iters=2), []
        >>> for epoch in range(3):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.05, 0.05, 0.1]
    """

    def __init__(
        self, optimizer: Any, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        check_factor(self.op, "factor", self.factor)
        check_whole(self.op, "total_iters", self.total_iters, 0)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        if self.last_epoch == 0:
            return [rate * self.factor for rate in self._rates()]
        if self.last_epoch != self.total_iters:
            return self._rates()
        if self.factor == 0:  # nothing is left of the rate to multiply
            return list(self.base_lrs)
        return [rate * (1 / self.factor) for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        factor = self.factor if self.last_epoch < self.total_iters else 1.0
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """Go from `start_factor` to `end_factor` times the rate along a line over `total_iters` epochs: a warm-up.

    Args:
        optimizer: an optimizer of `strop.optim`.
        start_factor: in (0, 1].
        end_factor: in [0, 1].
        total_iters: the epoch from which end_factor holds.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        ValueError: a factor lies outside its interval, or total_iters is no whole number from 0.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = LinearLR(optimizer, start_factor=0.5, total_iters=2), []
        >>> for epoch in range(4):
        ...     rates += [round(rate, 6) for rate in scheduler.get_last_lr()]
        ...     scheduler.step()
        >>> rates
        [0.05, 0.075, 0.1, 0.1]
    """

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        check_factor(self.op, "start_factor", self.start_factor, without_zero=True)
        check_factor(self.op, "end_factor", self.end_factor)
        check_whole(self.op, "total_iters", self.total_iters, 0)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in self._rates()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [rate * (1 + rise / before) for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        rise = (self.end_factor - self.start_factor) * done(self.last_epoch, self.total_iters)
        return [base * (self.start_factor + rise) for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Let the rate fall to 0 along `(1 - epoch / total_iters) ** power`.

    Args:
        optimizer: an optimizer of `strop.optim`.
        total_iters: the epoch at which the rate is 0.
        power: 1 is a straight line.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        ValueError: total_iters is no whole number from 0, or power is not finite.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = PolynomialLR(optimizer, total_iters=2), []
        >>> for epoch in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.1, 0.05, 0.0, 0.0]
    """

    def __init__(
        self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        check_whole(self.op, "total_iters", self.total_iters, 0)
        check_number(self.op, "power", self.power)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        left = 1 - self.last_epoch / self.total_iters
        before = 1 - (self.last_epoch - 1) / self.total_iters
        return [rate * (left / before) ** self.power for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * (1 - done(self.last_epoch, self.total_iters)) ** self.power for base in self.base_lrs]


def done(epoch: int, total: int) -> float:
    """How much of a ramp is behind this epoch, from 0 to 1."""
    return min(total, epoch) / total if total else 1.0


def check_factor(op: str, name: str, value: Any, *, without_zero: bool = False) -> None:
    """Refuse what does not lie in [0, 1], or in (0, 1]."""
    check_number(op, name, value)
    if not 0 <= value <= 1 or (without_zero and value == 0):
        raise ValueError(f"{op}: {name} must lie in {'(' if without_zero else '['}0, 1]; got {value}")
