"""The schedule that waits for a metric to stop getting better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

from ..._names import check_number, check_whole
from .base import LRScheduler, groups_of, per_group, plain


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by `factor` once a metric has not improved for more than `patience` epochs.

    With patience 2 a flat metric makes four epochs at the first rate. Keras' callback of this name makes three: it
    counts until patience, not past it.

    Args:
        optimizer: an optimizer of `strop.optim`.
        mode: `"min"` if less is better, `"max"` if more is.
        factor: below 1.
        patience: epochs without improvement that are borne.
        threshold: how much better counts.
        threshold_mode: `"rel"`, as a share of the best metric, or `"abs"`.
        cooldown: epochs after a change in which none is counted.
        min_lr: the least rate; one number, or a list with one per parameter group.
        eps: a change of the rate not larger than this is left out.

    Raises:
        ValueError: a setting is out of range, or an unknown mode.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1)
        >>> scheduler, rates = ReduceLROnPlateau(optimizer, patience=2, factor=0.5), []
        >>> for epoch in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step(1.0)
        >>> rates
        [0.1, 0.1, 0.1, 0.1, 0.05]
    """

    def __init__(
        self,
        optimizer: Any,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        groups = groups_of(self.op, optimizer)
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = (
            threshold,
            threshold_mode,
            cooldown,
            eps,
        )
        self.min_lrs = per_group(self.op, "min_lr", min_lr, groups)
        #: The least rate of groups that are added later; None where each group has its own.
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else self.min_lrs[0]
        self.last_epoch = 0
        #: The best metric; None before the first.
        self.best: float | None = None
        self.cooldown_counter = self.num_bad_epochs = 0
        self._check()
        self.optimizer = optimizer
        self._last_lr = self._rates()

    def _check(self) -> None:
        super()._check()
        if check_number(self.op, "factor", self.factor, low=0) >= 1:
            raise ValueError(f"{self.op}: factor must be below 1; got {self.factor}")
        for name, value, known in (
            ("mode", self.mode, ("min", "max")),
            ("threshold_mode", self.threshold_mode, ("rel", "abs")),
        ):
            if value not in known:
                raise ValueError(f"{self.op}: {name} must be {known[0]!r} or {known[1]!r}; got {value!r}")
        for name in ("patience", "cooldown", "cooldown_counter", "num_bad_epochs"):
            check_whole(self.op, name, getattr(self, name), 0)
        check_number(self.op, "threshold", self.threshold)
        check_number(self.op, "eps", self.eps)

    @property
    def in_cooldown(self) -> bool:
        """Whether a change is so recent that epochs are not counted."""
        return self.cooldown_counter > 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Say what the metric was in the epoch that has ended.

        Args:
            metrics: a number; NaN counts as no improvement.
            epoch: the number of the next epoch; None counts on.

        Raises:
            TypeError: metrics is no number.
        """
        if isinstance(metrics, str) or not hasattr(metrics, "__float__"):
            raise TypeError(f"{self.op}: metrics must be a number; got {type(metrics).__name__}")
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _is_better(self, current: float) -> bool:
        less = self.mode == "min"
        best = self.best if self.best is not None else math.inf if less else -math.inf
        if self.threshold_mode == "rel":
            bound = best * (1 - self.threshold if less else 1 + self.threshold)
        else:
            bound = best - self.threshold if less else best + self.threshold
        return current < bound if less else current > bound

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise ValueError(
                    f"{self.op}: min_lr must be one number or one per parameter group ({len(groups)}); "
                    f"got {len(self.min_lrs)}"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, least)
            if old - new > self.eps:
                group["lr"] = new

    def _entries(self, state: Any) -> dict[str, Any]:
        if not isinstance(state, Mapping):
            return super()._entries(state)
        own = {name: getattr(self, name) for name in ("best", "default_min_lr") if name in state}
        given: dict[str, Any] = {name: plain(state[name]) for name in own}
        if given.get("best") in (math.inf, -math.inf):  # torch's word for none yet
            given["best"] = None
        for name, value in given.items():
            if value is not None:
                check_number(self.op, f"state_dict[{name!r}]", value)
        rest = {key: value for key, value in state.items() if key != "mode_worse"}
        return super()._entries({**rest, **own}) | given
