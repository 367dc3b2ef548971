"""The schedule of the batch that goes up and down again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..._names import check_number
from .base import LRScheduler, groups_of, per_group, plain
from .cycle import check_cycles, set_momentum
from .functions import attributes_of

MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(LRScheduler):
    """Go from `base_lr` up to `max_lr` and down again, cycle after cycle; call `step` after every batch.

    Momentum, or the first beta of Adam's kind, goes the other way.

    Args:
        optimizer: an optimizer of `strop.optim`.
        base_lr: the least rate; one number, or a list with one per parameter group.
        max_lr: the greatest rate of the first cycle; one number or one per group.
        step_size_up: steps of a rise.
        step_size_down: steps of a fall; None, as many as of a rise.
        mode: `"triangular"`, all cycles alike; `"triangular2"`, each half as high as the one before; `"exp_range"`,
            lower by gamma at every step.
        gamma: for `"exp_range"`.
        scale_fn: a function that gives the height instead of mode, of the cycle, from 1, or of the step.
        scale_mode: what scale_fn is a function of, `"cycle"` or `"iterations"`.
        cycle_momentum: False leaves the momentum alone.
        base_momentum: the least momentum, at the greatest rate; one number or one per group.
        max_momentum: the greatest momentum; one number or one per group.
        last_epoch: the step to resume after; -1 starts anew.

    Raises:
        TypeError: scale_fn is no function.
        ValueError: a setting is out of range, or the optimizer has no momentum to cycle.

    References:
        Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1, momentum=0.9)
        >>> scheduler, rates = CyclicLR(optimizer, 1.0, 3.0, step_size_up=2, mode="triangular2"), []
        >>> for batch in range(8):
        ...     rates += scheduler.get_last_lr()
        ...     scheduler.step()
        >>> rates
        [1.0, 2.0, 3.0, 2.0, 1.0, 1.5, 2.0, 1.5]
    """

    def __init__(
        self,
        optimizer: Any,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: float = 2000,
        step_size_down: float | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        groups = groups_of(self.op, optimizer)
        lows = per_group(self.op, "base_lr", base_lr, groups)
        self.max_lrs = per_group(self.op, "max_lr", max_lr, groups)
        up = check_number(self.op, "step_size_up", step_size_up)
        down = up if step_size_down is None else check_number(self.op, "step_size_down", step_size_down)
        for name, size in (("step_size_up", up), ("step_size_down", down)):
            if size <= 0:
                raise ValueError(f"{self.op}: {name} must be above 0; got {size:g}")
        self.total_size, self.step_ratio = up + down, up / (up + down)
        self.mode, self.gamma = mode, gamma
        if scale_fn is not None and not callable(scale_fn):
            raise TypeError(f"{self.op}: scale_fn must be a function or None; got {type(scale_fn).__name__}")
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None and mode in MODES:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            check_cycles(self.op, groups)
            self.base_momentums = per_group(self.op, "base_momentum", base_momentum, groups)
            self.max_momentums = per_group(self.op, "max_momentum", max_momentum, groups)
        self.last_epoch = last_epoch
        self._check()
        if last_epoch == -1:
            for i, group in enumerate(groups):
                group["lr"] = lows[i]
                if cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = (
                        self.max_momentums[i],
                        self.base_momentums[i],
                    )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def _check(self) -> None:
        super()._check()
        if self.mode not in MODES and self._scale_fn_custom is None:
            raise ValueError(
                f"{self.op}: mode must be one of {', '.join(map(repr, MODES))}; got {self.mode!r}"
            )
        if self.scale_mode not in ("cycle", "iterations"):
            raise ValueError(
                f"{self.op}: scale_mode must be 'cycle' or 'iterations'; got {self.scale_mode!r}"
            )
        check_number(self.op, "gamma", self.gamma)
        if not 0 < self.step_ratio < 1 or self.total_size <= 0:
            raise ValueError(
                f"{self.op}: step_ratio must lie in (0, 1); got {self.step_ratio} of {self.total_size}"
            )

    def _height(self) -> float:
        """How high the rate stands between its bounds, as a share."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        share = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        of = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self._scale_fn_custom is not None:
            return share * float(self._scale_fn_custom(of))
        if self.mode == "triangular2":
            return share / 2.0 ** (of - 1)
        return share * float(self.gamma**of) if self.mode == "exp_range" else share

    def get_lr(self) -> list[float]:
        """The rates of this step, one per group."""
        height = self._height()
        return [low + (top - low) * height for low, top in zip(self.base_lrs, self.max_lrs, strict=True)]

    def _set(self, rates: Sequence[float]) -> None:
        height = self._height() if self.cycle_momentum else 0.0
        super()._set(rates)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            set_momentum(self.optimizer.param_groups, [top - (top - low) * height for low, top in bounds])

    # ---- the state ---------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The settings and counters; of scale_fn the attributes if it is an object that can be called, else None."""
        return super().state_dict() | {"_scale_fn_custom": attributes_of(self._scale_fn_custom)}

    def _entries(self, state: Any) -> dict[str, Any]:
        if not isinstance(state, Mapping) or "_scale_fn_custom" not in state:
            return super()._entries(state)
        held = plain(state["_scale_fn_custom"])
        if not (held is None or isinstance(held, dict)):
            raise ValueError(
                f"{self.op}: state_dict['_scale_fn_custom'] must be a dict or None; got {held!r}"
            )
        rest = {key: value for key, value in state.items() if key != "use_beta1"}  # torch's
        own = attributes_of(self._scale_fn_custom)
        entries = super()._entries({**rest, "_scale_fn_custom": own})
        # The copy that is checked keeps its function; what that holds goes into it at last.
        return entries | {"_scale_fn_custom": self._scale_fn_custom, "_held": held}

    def _apply(self, entries: dict[str, Any]) -> None:
        held = entries.pop("_held")
        super()._apply(entries)
        if held is not None and hasattr(self._scale_fn_custom, "__dict__"):
            vars(self._scale_fn_custom).update(held)
