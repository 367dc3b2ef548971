"""What an update rule says of itself, and what it does; everything around it is the base's."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._memory import zeros_beside
from ..optimizers.given import GivenNumbers
from .settings import read_settings

Array = NDArray[Any]
Settings = dict[str, Any]


class Rule(GivenNumbers):
    """An update rule: a subclass has `slots` and `update`, and what else is its own."""

    op: str
    defaults: Settings
    sparse: str | None
    #: Whether the state of a parameter counts its steps.
    counts = True
    #: Names of all state arrays that the rule has under any settings.
    every_slot: tuple[str, ...] = ()

    # ---- settings ----------------------------------------------------------

    def check(self, settings: Settings) -> None:
        """Refuse settings that are out of range; `lr` has been seen to."""

    def check_settings(self, settings: Settings) -> None:
        """Refuse settings that are out of range, or with which `sparse="exact"` cannot be had.

        Where a decay enters the gradient, what a row has missed depends on the row.
        """
        self.check(settings)
        decay = settings.get("weight_decay", 0.0)
        if self.sparse == "exact" and decay and not self.decoupled(settings):
            way_out = " or decoupled_weight_decay=True" if "decoupled_weight_decay" in settings else ""
            raise ValueError(
                f"{self.op}: sparse='exact' cannot be had with the coupled weight_decay={decay}; "
                f"use sparse='dense'{way_out}"
            )

    def plain_settings(self, group: Mapping[str, Any]) -> Settings:
        """The settings of a group as plain numbers, checked; `lr` may be below 0, as a schedule can leave it."""
        settings = read_settings(self.op, group, self.defaults)
        self.check_settings(settings)
        return settings

    def decoupled(self, settings: Settings) -> bool:
        """Whether weight_decay shrinks parameters and does not enter their gradients."""
        return bool(settings.get("decoupled_weight_decay"))

    def check_arrays(self, arrays: list[Array], labels: list[str]) -> None:
        """Refuse parameters that this rule does not take."""

    # ---- state -------------------------------------------------------------

    def slots(self, settings: Settings) -> tuple[str, ...]:
        """Names of the state arrays under these settings."""
        return self.every_slot

    def slot_spec(self, name: str, param: Array) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a state array."""
        return param.shape, param.dtype

    def new_slot(self, name: str, param: Array, settings: Settings) -> Array:
        """A state array before the first step."""
        return zeros_beside(param)

    def new_numbers(self) -> dict[str, Any]:
        """The numbers in the state of a parameter before its first step."""
        return {"step": 0} if self.counts else {}

    def phase(self, state: dict[str, Any]) -> Hashable:
        """What must be equal in parameters that are updated together."""
        step: int = state.get("step", 0)
        return step

    def number(self, phase: Any) -> Any:
        """The number of the step after a phase, as ops take it."""
        return phase + 1 if self._given is None else self._given[1]

    def advance(self, states: list[dict[str, Any]], settings: Settings) -> None:
        """Say in states that a step was taken."""
        if self.counts:
            for state in states:
                state["step"] += 1

    # ---- the update --------------------------------------------------------

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: Settings
    ) -> None:
        """One step of all these parameters in one call.

        Args:
            params: a list of arrays, or one array for a `RowGrad`.
            grads: like params.
            slots: the state arrays, like params.
            phase: of all of them, before this step.
            settings: of their group; `weight_decay` may be a list where it is decoupled.
        """
        raise NotImplementedError(f"{self.op}: a rule must have an update")

    def rows_stand(self, settings: Settings) -> bool:
        """Whether a row without a gradient does not move under this rule anyway."""
        return False

    def deferred_rule(self, settings: Settings) -> dict[str, Any] | None:
        """The Adam that this rule is for a deferred table, or None where it is no Adam with decoupled decay."""
        return None
