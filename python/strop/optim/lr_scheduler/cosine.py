"""Schedules along half a cosine, once or again and again."""

from __future__ import annotations

import math
from typing import Any

from ..._names import check_number, check_whole
from .base import LRScheduler


class CosineAnnealingLR(LRScheduler):
    """Let the rate fall to `eta_min` along half a cosine over `T_max` epochs, and rise again after them.

    The next rate is worked out from the one that stands in the group, as torch does; without changes by hand it is
    `eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2`.

    Args:
        optimizer: an optimizer of `strop.optim`.
        T_max: epochs from the greatest rate to the least.
        eta_min: the least rate.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        ValueError: T_max is not above 0, or eta_min is not finite.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = CosineAnnealingLR(optimizer, 4), []
        >>> for epoch in range(5):
        ...     rates += [round(rate, 6) for rate in scheduler.get_last_lr()]
        ...     scheduler.step()
        >>> rates
        [0.1, 0.085355, 0.05, 0.014645, 0.0]
    """

    def __init__(self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        if check_number(self.op, "T_max", self.T_max) <= 0:
            raise ValueError(f"{self.op}: T_max must be above 0; got {self.T_max}")
        check_number(self.op, "eta_min", self.eta_min)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        if self._is_initial:
            return self._rates()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # out of the bottom there is no ratio
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [
                rate + (base - self.eta_min) * rise
                for rate, base in zip(self._rates(), self.base_lrs, strict=False)
            ]
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        ratio = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / before
        return [ratio * (rate - self.eta_min) + self.eta_min for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Let the rate fall to `eta_min` along half a cosine, then start again at the full rate.

    Args:
        optimizer: an optimizer of `strop.optim`.
        T_0: epochs up to the first restart.
        T_mult: each period is this many times as long as the one before.
        eta_min: the least rate.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        ValueError: T_0 or T_mult is no whole number from 1, or eta_min is not finite.

    References:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = CosineAnnealingWarmRestarts(optimizer, 2), []
        >>> for epoch in range(4):
        ...     rates += [round(rate, 6) for rate in scheduler.get_last_lr()]
        ...     scheduler.step()
        >>> rates
        [0.1, 0.05, 0.1, 0.05]
    """

    def __init__(
        self, optimizer: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        #: Epochs since the last restart.
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        check_whole(self.op, "T_0", self.T_0, 1)
        check_whole(self.op, "T_i", self.T_i, 1)
        check_whole(self.op, "T_mult", self.T_mult, 1)
        check_number(self.op, "eta_min", self.eta_min)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch and set its rates.

        Args:
            epoch: go to this one instead; parts of an epoch count, so `epoch + i / batches` may be said at each batch.

        Raises:
            ValueError: epoch is below 0.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        else:
            check_number(self.op, "epoch", epoch, low=0)
            self.last_epoch = math.floor(epoch)
            self.T_cur, self.T_i = self._place(epoch)
        self._set(self.get_lr())

    def _place(self, epoch: float) -> tuple[float, int]:
        """Epochs since the restart before this one, and the length of the period."""
        if self.T_mult == 1:
            return epoch % self.T_0, self.T_0
        start, length = 0, self.T_0
        while epoch >= start + length:
            start, length = start + length, length * self.T_mult
        return epoch - start, length
