"""Schedules of the batch that go up and down, with the momentum going the other way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..._names import check_number, check_whole
from .base import LRScheduler, groups_of, per_group


class OneCycleLR(LRScheduler):
    """Raise the rate to `max_lr`, then let it fall far below the start; call `step` after every batch.

    Momentum, or the first beta of Adam's kind, falls while the rate rises and rises while it falls. All bounds are kept
    in the groups, as torch does: `initial_lr`, `max_lr`, `min_lr`, `base_momentum`, `max_momentum`.

    Args:
        optimizer: an optimizer of `strop.optim`.
        max_lr: the greatest rate; one number, or a list with one per parameter group.
        total_steps: steps of the whole cycle.
        epochs: with steps_per_epoch, another way to say total_steps.
        steps_per_epoch: batches of an epoch.
        pct_start: the share of the steps in which the rate rises.
        anneal_strategy: `"cos"` or `"linear"`.
        cycle_momentum: False leaves the momentum alone.
        base_momentum: the least momentum, at the greatest rate; one number or one per group.
        max_momentum: the greatest momentum; one number or one per group.
        div_factor: the first rate is `max_lr / div_factor`.
        final_div_factor: the last rate is the first one divided by this.
        three_phase: True falls back to the first rate as fast as it rose, then to the last.
        last_epoch: the step to resume after; -1 starts anew.

    Raises:
        ValueError: a setting is out of range, the number of steps is not said, or the optimizer has no momentum to
            cycle.

    References:
        Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> optimizer = SGD([np.ones(2)], lr=0.1, momentum=0.9)
        >>> scheduler, rates = OneCycleLR(optimizer, 1.0, total_steps=6), []
        >>> for batch in range(6):
        ...     rates += [round(rate, 5) for rate in scheduler.get_last_lr()]
        ...     scheduler.step()
        >>> rates
        [0.04, 0.99442, 0.81175, 0.46264, 0.13348, 0.0]
    """

    def __init__(
        self,
        optimizer: Any,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = groups_of(self.op, optimizer)
        self.total_steps = self._total(total_steps, epochs, steps_per_epoch)
        self.pct_start, self.anneal_strategy, self.three_phase = pct_start, anneal_strategy, three_phase
        self.cycle_momentum = cycle_momentum
        for name, divisor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if check_number(self.op, name, divisor) <= 0:
                raise ValueError(f"{self.op}: {name} must be above 0; got {divisor}")
        bounds = {"max_lr": per_group(self.op, "max_lr", max_lr, groups)}
        bounds["initial_lr"] = [top / div_factor for top in bounds["max_lr"]]
        bounds["min_lr"] = [start / final_div_factor for start in bounds["initial_lr"]]
        if cycle_momentum:
            check_cycles(self.op, groups)
            for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum)):
                bounds[name] = per_group(self.op, name, value, groups)
        self.last_epoch = last_epoch
        self._check()
        if last_epoch == -1:
            for name, values in bounds.items():
                for group, value in zip(groups, values, strict=True):
                    group[name] = value
        super().__init__(optimizer, last_epoch)

    def _total(self, total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
        if total_steps is not None:
            return total_steps
        if epochs is None or steps_per_epoch is None:
            raise ValueError(f"{self.op}: total_steps must be given, or epochs and steps_per_epoch; got None")
        check_whole(self.op, "epochs", epochs, 1)
        check_whole(self.op, "steps_per_epoch", steps_per_epoch, 1)
        return epochs * steps_per_epoch

    def _check(self) -> None:
        super()._check()
        check_whole(self.op, "total_steps", self.total_steps, 1)
        if not 0 <= check_number(self.op, "pct_start", self.pct_start) <= 1:
            raise ValueError(f"{self.op}: pct_start must lie in [0, 1]; got {self.pct_start}")
        if self.anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"{self.op}: anneal_strategy must be 'cos' or 'linear'; got {self.anneal_strategy!r}"
            )

    def _phase(self) -> tuple[tuple[str, str], tuple[str, str], float]:
        """Between which bounds the rate and the momentum stand at this step, and how far along."""
        rise, last = float(self.pct_start * self.total_steps), self.total_steps - 1
        up = (("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
        down = (("max_lr", "min_lr"), ("base_momentum", "max_momentum"))
        phases = [(rise - 1, up), (last, down)]
        if self.three_phase:
            back = (("max_lr", "initial_lr"), ("base_momentum", "max_momentum"))
            out = (("initial_lr", "min_lr"), ("max_momentum", "max_momentum"))
            phases = [(rise - 1, up), (2 * rise - 2, back), (last, out)]
        ends = [end for end, _ in phases[:-1]]
        index = next((i for i, end in enumerate(ends) if self.last_epoch <= end), len(ends))
        start, (end, (rates, momenta)) = ends[index - 1] if index else 0.0, phases[index]
        # A phase without a length is over at once: torch divides by 0 there.
        return rates, momenta, (self.last_epoch - start) / (end - start) if end != start else 1.0

    def _between(self, group: dict[str, Any], bounds: tuple[str, str], part: float) -> float:
        start, end = float(group[bounds[0]]), float(group[bounds[1]])
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start

    def get_lr(self) -> list[float]:
        """The rates of this step.

        Raises:
            ValueError: the cycle is over.
        """
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"{self.op}: steps must be at most total_steps ({self.total_steps}); got step {self.last_epoch}"
            )
        rates, _, part = self._phase()
        return [self._between(group, rates, part) for group in self.optimizer.param_groups]

    def _set(self, rates: Sequence[float]) -> None:
        super()._set(rates)
        if self.cycle_momentum:
            _, momenta, part = self._phase()
            groups = self.optimizer.param_groups
            set_momentum(groups, [self._between(group, momenta, part) for group in groups])

    def _entries(self, state: Any) -> dict[str, Any]:
        phases = state.get("_schedule_phases") if isinstance(state, Mapping) else None
        if isinstance(phases, list) and len(phases) in (2, 3) and "_anneal_func_type" in state:  # torch's
            rest = {
                key: state[key]
                for key in state
                if key not in ("_schedule_phases", "_anneal_func_type", "use_beta1")
            }
            total, first = state.get("total_steps"), phases[0]
            check_whole(self.op, "state_dict['total_steps']", total, 1)
            end = first.get("end_step") if isinstance(first, Mapping) else None
            rise = check_number(self.op, "state_dict['_schedule_phases'][0]['end_step']", end) + 1
            strategy, three = state["_anneal_func_type"], len(phases) == 3
            state = {**rest, "pct_start": rise / total, "anneal_strategy": strategy, "three_phase": three}
        return super()._entries(state)


def check_cycles(op: str, groups: Sequence[dict[str, Any]]) -> None:
    """Refuse groups that have neither a momentum nor betas."""
    if not all("momentum" in group or "betas" in group for group in groups):
        raise ValueError(
            f"{op}: optimizer must have momentum or betas; got one without; use cycle_momentum=False"
        )


def set_momentum(groups: Sequence[dict[str, Any]], momenta: Sequence[float]) -> None:
    """Set the momentum of each group, or its first beta."""
    for group, momentum in zip(groups, momenta, strict=True):
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum
