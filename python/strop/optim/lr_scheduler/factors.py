"""Schedules that multiply the rate by a factor at some epochs or at all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from ..._names import check_number, check_whole
from .base import LRScheduler


class StepLR(LRScheduler):
    """Multiply the rate by gamma every `step_size` epochs.

    Args:
        optimizer: an optimizer of `strop.optim`.
        step_size: epochs between two changes.
        gamma: the factor.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        ValueError: step_size is no whole number from 1, or gamma is not finite.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = StepLR(optimizer, 2, gamma=0.5), []
        >>> for epoch in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.1, 0.1, 0.05, 0.05, 0.025]
    """

    def __init__(self, optimizer: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        check_whole(self.op, "step_size", self.step_size, 1)
        check_number(self.op, "gamma", self.gamma)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        changes = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return [rate * self.gamma if changes else rate for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply the rate by gamma at each of the milestones.

    Args:
        optimizer: an optimizer of `strop.optim`.
        milestones: epochs; one that stands there twice counts twice.
        gamma: the factor.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        TypeError: milestones is no list.
        ValueError: a milestone is no whole number from 0, or gamma is not finite.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = MultiStepLR(optimizer, [1, 3], gamma=0.5), []
        >>> for epoch in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.1, 0.05, 0.05, 0.025]
    """

    def __init__(
        self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        #: Rising.
        self.milestones: list[int] = check_milestones(self.op, milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        check_number(self.op, "gamma", self.gamma)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        times = self.milestones.count(self.last_epoch)
        return [rate * self.gamma**times if times else rate for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        times = bisect_right(self.milestones, self.last_epoch)
        return [base * self.gamma**times for base in self.base_lrs]

    def _entries(self, state: Any) -> dict[str, Any]:
        if not isinstance(state, Mapping) or "milestones" not in state:
            return super()._entries(state)
        milestones = state["milestones"]
        if isinstance(milestones, Mapping):  # torch's: how often each counts
            milestones = [epoch for epoch, times in milestones.items() for _ in range(times)]
        entries = super()._entries({**state, "milestones": self.milestones})
        return entries | {"milestones": check_milestones(self.op, milestones)}


def check_milestones(op: str, milestones: Any) -> list[int]:
    """The milestones in rising order.

    Raises:
        TypeError: they are no list.
        ValueError: one is no whole number from 0.
    """
    if isinstance(milestones, str) or not isinstance(milestones, Iterable):
        raise TypeError(f"{op}: milestones must be a list of epochs; got {type(milestones).__name__}")
    found = list(milestones)
    for i, epoch in enumerate(found):
        check_whole(op, f"milestones[{i}]", epoch, 0)
    return sorted(map(int, found))


class ExponentialLR(LRScheduler):
    """Multiply the rate by gamma at every epoch.

    Args:
        optimizer: an optimizer of `strop.optim`.
        gamma: the factor.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        ValueError: gamma is not finite.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = ExponentialLR(optimizer, gamma=0.5), []
        >>> for epoch in range(3):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.1, 0.05, 0.025]
    """

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _check(self) -> None:
        super()._check()
        check_number(self.op, "gamma", self.gamma)

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        return [rate if self._is_initial else rate * self.gamma for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]
