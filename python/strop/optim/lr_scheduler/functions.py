"""Schedules that a function of the user's gives."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .base import LRScheduler, groups_of, plain

Function = Callable[[int], float]


class _OfFunctions(LRScheduler):
    """What both schedulers below do with their functions, one for each group."""

    def __init__(
        self, optimizer: Any, lr_lambda: Function | Sequence[Function], last_epoch: int = -1
    ) -> None:
        groups = groups_of(self.op, optimizer)
        several = isinstance(lr_lambda, list | tuple)
        functions: list[Any] = list(lr_lambda) if several else [lr_lambda] * len(groups)  # type: ignore[arg-type]
        if len(functions) != len(groups):
            raise ValueError(
                f"{self.op}: lr_lambda must be one function or one per parameter group ({len(groups)}); "
                f"got {len(functions)}"
            )
        for i, function in enumerate(functions):
            if not callable(function):
                where = f"lr_lambda[{i}]" if several else "lr_lambda"
                raise TypeError(
                    f"{self.op}: {where} must be a function of the epoch; got {type(function).__name__}"
                )
        self.lr_lambdas: list[Function] = functions
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The counters; of each function the attributes if it is an object that can be called, else None."""
        return super().state_dict() | {"lr_lambdas": [attributes_of(each) for each in self.lr_lambdas]}

    def _entries(self, state: Any) -> dict[str, Any]:
        if not isinstance(state, Mapping) or "lr_lambdas" not in state:
            return super()._entries(state)
        count, held = len(self.lr_lambdas), plain(state["lr_lambdas"])
        if (
            not isinstance(held, list)
            or len(held) != count
            or not all(each is None or isinstance(each, dict) for each in held)
        ):
            raise ValueError(
                f"{self.op}: state_dict['lr_lambdas'] must be a list of {count} dicts or None; got {held!r}"
            )
        own = self.state_dict()["lr_lambdas"]
        return super()._entries({**state, "lr_lambdas": own}) | {"lr_lambdas": held}

    def _apply(self, entries: dict[str, Any]) -> None:
        attributes = entries.pop("lr_lambdas")
        super()._apply(entries)
        for function, held in zip(self.lr_lambdas, attributes, strict=True):
            if held is not None and hasattr(function, "__dict__"):
                vars(function).update(held)


def attributes_of(function: Any) -> dict[str, Any] | None:
    """What an object that can be called keeps; None for a plain function."""
    held = None if isinstance(function, types.FunctionType) else getattr(function, "__dict__", None)
    return None if held is None else dict(plain(held))


class LambdaLR(_OfFunctions):
    """Set the rate to the rate of the start times a function of the epoch.

    Args:
        optimizer: an optimizer of `strop.optim`.
        lr_lambda: a function of the epoch that gives the factor, or a list with one per parameter group.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        TypeError: lr_lambda can not be called.
        ValueError: a list of another length than the groups.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)), []
        >>> for epoch in range(3):
        ...     rates += [round(rate, 6) for rate in scheduler.get_last_lr()]
        ...     scheduler.step()
        >>> rates
        [0.1, 0.05, 0.033333]
    """

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        epoch = self.last_epoch
        return [base * f(epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(_OfFunctions):
    """Multiply the rate by a function of the epoch, at every epoch but the first.

    Args:
        optimizer: an optimizer of `strop.optim`.
        lr_lambda: a function of the epoch that gives the factor, or a list with one per parameter group.
        last_epoch: the epoch to resume after; -1 starts anew.

    Raises:
        TypeError: lr_lambda can not be called.
        ValueError: a list of another length than the groups.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = MultiplicativeLR(optimizer, lambda epoch: 0.5), []
        >>> for epoch in range(3):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [0.1, 0.05, 0.025]
    """

    def get_lr(self) -> list[float]:
        """The rates of this epoch, one per group."""
        rates, epoch = self._rates(), self.last_epoch
        if self._is_initial:
            return rates
        return [rate * f(epoch) for rate, f in zip(rates, self.lr_lambdas, strict=False)]
