"""Schedulers that are made of schedulers: one after the other, or all at every step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ..._names import check_whole
from .base import LRScheduler
from .plateau import ReduceLROnPlateau


class _Composed(LRScheduler):
    """What both schedulers below do with their parts."""

    _schedulers: list[LRScheduler]

    def _take(self, optimizer: Any, schedulers: Sequence[LRScheduler]) -> None:
        if not isinstance(schedulers, list | tuple) or not schedulers:
            raise ValueError(f"{self.op}: schedulers must be a list of at least one; got {schedulers!r}")
        for i, scheduler in enumerate(schedulers):
            got = type(scheduler).__name__
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{self.op}: schedulers[{i}] must be an LRScheduler; got {got}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{self.op}: schedulers[{i}] must not need a metric to step; got a {got}")
            if scheduler.optimizer is not (schedulers[0].optimizer if optimizer is None else optimizer):
                raise ValueError(
                    f"{self.op}: schedulers[{i}] must have the same optimizer; got a {got} of another"
                )
        self.optimizer, self._schedulers = schedulers[0].optimizer, list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """The counters, and the states of the schedulers."""
        return super().state_dict() | {"_schedulers": [each.state_dict() for each in self._schedulers]}

    def _entries(self, state: Any) -> dict[str, Any]:
        parts = state.get("_schedulers") if isinstance(state, Mapping) else None
        if not isinstance(parts, list | tuple) or len(parts) != len(self._schedulers):
            return super()._entries(state)
        own = [each.state_dict() for each in self._schedulers]
        return super()._entries({**state, "_schedulers": own}) | {"_schedulers": list(parts)}

    def _checked(self, state: Mapping[str, Any]) -> list[tuple[LRScheduler, dict[str, Any]]]:
        [(_, entries)] = super()._checked(state)
        parts = entries.pop("_schedulers")
        found: list[tuple[LRScheduler, dict[str, Any]]] = [(self, entries)]
        for scheduler, part in zip(self._schedulers, parts, strict=True):
            found += scheduler._checked(part)
        return found


class SequentialLR(_Composed):
    """Run schedulers one after the other: each from its milestone on, from its own epoch 0.

    Args:
        optimizer: an optimizer of `strop.optim`, the one of all schedulers.
        schedulers: in the order in which they take over.
        milestones: the epochs at which the second, the third ... takes over; rising.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        TypeError: one is no scheduler.
        ValueError: none is given, one has another optimizer or needs a metric, or milestones are not one fewer and
            rising.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> from strop.optim.lr_scheduler import ExponentialLR, LinearLR
        >>> optimizer = SGD([np.ones(2)], lr=1.0)
        >>> warm_up, decay = LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)
        >>> scheduler, rates = SequentialLR(optimizer, [warm_up, decay], milestones=[2]), []
        >>> for epoch in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        optimizer: Any,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._take(optimizer, schedulers)
        for i, scheduler in enumerate(schedulers[1:], 1):
            if isinstance(scheduler, _Composed):
                raise ValueError(
                    f"{self.op}: schedulers[{i}] must be able to start at a milestone; "
                    f"got a {type(scheduler).__name__}"
                )
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"{self.op}: milestones must be one fewer than schedulers ({len(schedulers)}); got {len(milestones)}"
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self._check()
        for group in self.optimizer.param_groups:
            group["lr"] = float(group["initial_lr"])
        self.base_lrs = [float(group["lr"]) for group in self.optimizer.param_groups]
        _undo(self)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def _check(self) -> None:
        super()._check()
        for i, epoch in enumerate(self._milestones):
            check_whole(self.op, f"milestones[{i}]", epoch, 0)
        if self._milestones != sorted(self._milestones):
            raise ValueError(f"{self.op}: milestones must rise; got {self._milestones}")

    def _entries(self, state: Any) -> dict[str, Any]:
        if isinstance(state, Mapping):  # torch's have no base_lrs
            state = {"base_lrs": self.base_lrs, **state}
        return super()._entries(state)

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch; at a milestone the next scheduler sets its rate of epoch 0.

        Raises:
            ValueError: an epoch is given: where the parts would stand then is not known.
        """
        _check_none(self.op, epoch)
        current = self.last_epoch + 1
        index = bisect_right(self._milestones, current)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == current:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self.last_epoch, self._last_lr = current, scheduler.get_last_lr()


def _undo(scheduler: LRScheduler) -> None:
    """Take back the step that making a scheduler has done."""
    if isinstance(scheduler, _Composed):
        for each in scheduler._schedulers:
            _undo(each)
    else:
        scheduler.last_epoch -= 1


def _check_none(op: str, epoch: object) -> None:
    if epoch is not None:
        raise ValueError(f"{op}: epoch must be None; got {epoch!r}")


class ChainedScheduler(_Composed):
    """Let several schedulers act on the rate at every step, one after the other.

    Args:
        schedulers: in the order in which they act; those that work out the next rate from the present one multiply.
        optimizer: the one of all schedulers; None takes that of the first.

    Raises:
        TypeError: one is no scheduler.
        ValueError: none is given, or one has another optimizer or needs a metric.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> from strop.optim.lr_scheduler import ConstantLR, ExponentialLR
        >>> optimizer = SGD([np.ones(2)], lr=1.0)
        >>> parts = [ConstantLR(optimizer, factor=0.5, total_iters=2), ExponentialLR(optimizer, gamma=0.5)]
        >>> scheduler, rates = ChainedScheduler(parts), []
        >>> for epoch in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Any = None) -> None:
        self._take(optimizer, schedulers)
        self._last_lr = self._rates()

    def _check(self) -> None:
        pass

    def step(self, epoch: int | None = None) -> None:
        """Step all schedulers.

        Raises:
            ValueError: an epoch is given: the closed formulas would undo each other.
        """
        _check_none(self.op, epoch)
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()
