"""What every scheduler does around its formula: the base rates, the epoch, the state."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..._names import check_number, check_whole, nearest

#: No part of a state; torch has the last three in its states.
TRANSIENT = frozenset({"optimizer", "_is_initial", "_step_count", "_get_lr_called_within_step"})


class LRScheduler:
    """Base of the schedulers; one of your own is a subclass with `get_lr`.

    Making a scheduler sets `group["lr"]` of every group to the rate of epoch 0 and keeps the rate that was there in
    `group["initial_lr"]`. Call `step` after the steps of an epoch. As in torch, most schedulers work out the next rate
    from the rate that stands in the group, so a change by hand carries on.

    Args:
        optimizer: an optimizer of `strop.optim`.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        TypeError: the optimizer has no parameter groups.
        KeyError: last_epoch is given and a group has no `initial_lr`.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> class HalfOnOddEpochs(LRScheduler):
        ...     def get_lr(self):
        ...         return [lr * 0.5 ** (self.last_epoch % 2) for lr in self.base_lrs]
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler = HalfOnOddEpochs(optimizer)
        >>> scheduler.step()
        >>> optimizer.param_groups[0]["lr"]
        0.05
    """

    #: Whether this is the call of get_lr that making the scheduler does.
    _is_initial = False

    def __init__(self, optimizer: Any, last_epoch: int = -1) -> None:
        groups = groups_of(self.op, optimizer)
        self.last_epoch = last_epoch
        #: The rates from which the schedule starts, one per group.
        self.base_lrs: list[float] = []
        self._last_lr: list[float] = []
        self._check()
        if last_epoch == -1:
            for group in groups:
                group.setdefault("initial_lr", group["lr"])
        for i, group in enumerate(groups):
            if "initial_lr" not in group:
                raise KeyError(
                    f"{self.op}: param_groups[{i}] must have 'initial_lr' to resume after epoch {last_epoch}; "
                    "got none; load the state of the optimizer first"
                )
        self.optimizer = optimizer
        self.base_lrs = [float(group["initial_lr"]) for group in groups]
        self._initial_step()

    @property
    def op(self) -> str:
        """The name of the scheduler, as messages begin."""
        return type(self).__name__

    def _check(self) -> None:
        """Refuse settings and counters that are out of range; run for new ones and for those of a state."""
        check_whole(self.op, "last_epoch", self.last_epoch, -1)

    # ---- the rates ---------------------------------------------------------

    def get_lr(self) -> list[float]:
        """The rates of `last_epoch`, one per group, from those that stand in the groups now."""
        raise NotImplementedError(f"{self.op}: a scheduler must have a get_lr")

    def get_last_lr(self) -> list[float]:
        """The rates that this scheduler has set last, one per group."""
        return self._last_lr

    def _initial_step(self) -> None:
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and set its rates.

        Args:
            epoch: go to this one instead, by the closed formula where the schedule has one.
        """
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates of an epoch; a formula that fails leaves scheduler and optimizer as they were."""
        before, rates_of = self.last_epoch, self.get_lr
        if epoch is not None:
            rates_of = getattr(self, "_get_closed_form_lr", self.get_lr)
        self.last_epoch = before + 1 if epoch is None else epoch
        try:
            self._set(rates_of())
        except BaseException:
            self.last_epoch = before
            raise

    def _set(self, rates: Sequence[float]) -> None:
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{self.op}: param_groups must be as many as when the scheduler was made ({len(rates)}); "
                f"got {len(groups)}"
            )
        self._last_lr = [float(rate) for rate in rates]
        for group, rate in zip(groups, self._last_lr, strict=True):
            group["lr"] = rate

    def _rates(self) -> list[float]:
        """What stands in the groups now."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    # ---- the state ---------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The settings and counters: numbers, texts, lists and dicts of them, as JSON has them.

        The rates that stand in the groups belong to the state of the optimizer: save that too.
        """
        held = {name: plain(value) for name, value in vars(self).items() if name not in TRANSIENT}
        return {"scheduler": self.op, **held}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set settings and counters to what `state_dict` gave; what torch gives for the same scheduler fits too.

        Raises:
            TypeError: the state is no dict.
            ValueError: it is of another scheduler, lacks an entry, or one is out of range. Nothing has changed then.
        """
        for scheduler, entries in self._checked(state_dict):
            scheduler._apply(entries)

    def _checked(self, state: Mapping[str, Any]) -> list[tuple[LRScheduler, dict[str, Any]]]:
        """The entries that this scheduler, and those it is made of, are to take; nothing is written yet."""
        entries = self._entries(state)
        new = copy.copy(self)
        vars(new).update(entries)
        new._check()
        return [(self, entries)]

    def _apply(self, entries: dict[str, Any]) -> None:
        vars(self).update(entries)

    def _entries(self, state: Any) -> dict[str, Any]:
        """The entries of a state, if they are those of this scheduler and each of the kind that it has."""
        if not isinstance(state, Mapping):
            raise TypeError(f"{self.op}: state_dict must be a dict; got {type(state).__name__}")
        name = state.get("scheduler", self.op)
        if name != self.op:
            raise ValueError(f"{self.op}: state_dict must be that of a {self.op}; got that of a {name}")
        own = self.state_dict()
        given = {key: plain(value) for key, value in state.items() if key not in TRANSIENT}
        for key in own:
            if key not in given and key != "scheduler":
                raise ValueError(
                    f"{self.op}: state_dict must have the entries of a {self.op}; got none for {key!r}"
                )
        given.pop("scheduler", None)
        for key, value in given.items():
            if key not in own:
                raise ValueError(
                    f"{self.op}: state_dict must have the entries of a {self.op}; "
                    f"got {key!r} too{nearest(str(key), own)}"
                )
            if not alike(value, own[key]):
                raise ValueError(f"{self.op}: state_dict[{key!r}] must be like {own[key]!r}; got {value!r}")
        return given


def groups_of(op: str, optimizer: Any) -> list[dict[str, Any]]:
    """The parameter groups of an optimizer.

    Raises:
        TypeError: there are none.
    """
    groups = getattr(optimizer, "param_groups", None)
    if not isinstance(groups, list) or not all(isinstance(g, dict) and "lr" in g for g in groups):
        raise TypeError(f"{op}: optimizer must be one of strop.optim; got {type(optimizer).__name__}")
    return groups


def per_group(op: str, name: str, value: Any, groups: Sequence[Any]) -> list[float]:
    """One number for each group from one for all or a list.

    Raises:
        TypeError: a value is no number.
        ValueError: a list of another length, or a number that is not finite.
    """
    if not isinstance(value, list | tuple):
        return [check_number(op, name, value)] * len(groups)
    if len(value) != len(groups):
        raise ValueError(
            f"{op}: {name} must be one number or one per parameter group ({len(groups)}); got {len(value)}"
        )
    return [check_number(op, f"{name}[{i}]", each) for i, each in enumerate(value)]


def plain(value: Any) -> Any:
    """The value as JSON has it, in containers of its own; what JSON has not is left alone."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value


def alike(value: Any, old: Any) -> bool:
    """Whether a value of a state is of the kind of the one that it replaces; lists are of like length too."""
    if isinstance(old, bool) or isinstance(value, bool):
        return isinstance(old, bool) and isinstance(value, bool)
    if isinstance(old, int | float):
        return isinstance(value, int | float) and math.isfinite(value)
    if isinstance(old, list):
        return isinstance(value, list) and len(value) == len(old) and all(map(alike, value, old))
    return old is None or isinstance(value, type(old))
