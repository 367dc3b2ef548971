"""What every optimizer of the torch dialect does around its update rule."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import cpu
from .._memory import zeros_beside
from .._names import check_kwargs, check_number
from ..optimizers.parameters import check_grads
from ..optimizers.settings import check_sparse, keywords
from ..rowgrad import RowGrad
from .batches import Batch, Batcher
from .rows import RowSteps
from .settings import IGNORED, check_all_finite, read_settings
from .state import StateDict

Array = NDArray[Any]


class Optimizer(RowSteps, StateDict):
    """Base of the torch dialect; a rule is a subclass with `slots`, `update` and what else is its own.

    Parameters are kept by reference and updated in place. Code that rebinds a name (`W = W - ...`) leaves the
    optimizer with the old array: write `W -= ...`, or hand the new array over by
    `optimizer.param_groups[0]["params"][0] = W`.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be; or parameter groups,
            `[{"params": ..., "lr": ...}, ...]`. All float32 or all float64, C-contiguous.
        defaults: settings of groups that do not name their own.
        sparse: what a `RowGrad` means. `"dense"`, and None: every row at every step. `"exact"`: the same result;
            rows without a gradient are caught up later, so that `catch_up` must come before reading rows and
            `flush` before reading all. `"touched"`: they stand still, as with torch's SparseAdam.
        check_finite: refuse gradients with NaN or infinity.
        ignored: `foreach fused capturable differentiable` of torch; they change nothing here.

    Raises:
        TypeError: a parameter is no array of such a dtype, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range; parameters overlap, or are strided or read-only.
    """

    #: Whether the state of a parameter counts its steps.
    counts = True
    #: Names of all state arrays that the rule has under any settings.
    every_slot: tuple[str, ...] = ()

    def __init__(
        self,
        params: Any,
        defaults: dict[str, Any],
        *,
        sparse: str | None = None,
        check_finite: bool = False,
        **ignored: Any,
    ) -> None:
        self.op = type(self).__name__
        unknown = {name: value for name, value in ignored.items() if name not in IGNORED}
        check_kwargs(self.op, unknown, [*keywords(type(self)), *IGNORED])
        check_sparse(self.op, sparse, False)
        self.defaults = defaults
        self.sparse, self.check_finite = sparse, bool(check_finite)
        self._tables = {}
        self._batcher = Batcher()
        self._turn = threading.Lock()
        self._start(params)

    # ---- the rule: what a subclass writes ----------------------------------

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range; `lr` has been seen to."""

    def slots(self, settings: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state arrays under these settings."""
        raise NotImplementedError(f"{self.op}: a rule must have slots")

    def update(
        self,
        params: Any,
        grads: Any,
        slots: Mapping[str, Any],
        phase: Any,
        settings: dict[str, Any],
    ) -> None:
        """One step of all these parameters in one call.

        Args:
            params: a list of arrays, or one array for a `RowGrad`.
            grads: like params.
            slots: the state arrays, like params.
            phase: of all of them, before this step.
            settings: of their group; `weight_decay` may be a list.
        """
        raise NotImplementedError(f"{self.op}: a rule must have an update")

    def new_slot(self, name: str, param: Array, settings: dict[str, Any]) -> Array:
        """A state array before the first step."""
        return zeros_beside(param)

    def slot_spec(self, name: str, param: Array) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a state array."""
        return param.shape, param.dtype

    def new_numbers(self) -> dict[str, Any]:
        """The numbers in the state of a parameter before its first step."""
        return {"step": 0} if self.counts else {}

    def phase(self, state: dict[str, Any]) -> Hashable:
        """What must be equal in parameters that are updated together."""
        return state.get("step", 0)

    def advance(self, states: list[dict[str, Any]], settings: dict[str, Any]) -> None:
        """Say in states that a step was taken."""
        if self.counts:
            for state in states:
                state["step"] += 1

    def decoupled(self, settings: dict[str, Any]) -> bool:
        """Whether weight_decay shrinks parameters and does not enter their gradients."""
        return bool(settings.get("decoupled_weight_decay"))

    # ---- a step ------------------------------------------------------------

    def step(self, grads: Any) -> None:
        """Take one step: update every parameter that has a gradient, in place.

        Args:
            grads: in the structure of params: an array like the parameter, a `RowGrad` of its shape, or None, which
                leaves the parameter and its state alone and does not count as a step of it. With groups one entry
                per group, or one list of all.

        Raises:
            TypeError: a gradient is no array or has another dtype than its parameter.
            ValueError: the structure or a shape differs, an array is strided, read-only or overlaps a parameter, or a
                gradient is not finite under `check_finite`. No parameter has changed then, not even the first.
            RuntimeError: another thread is in a call of this optimizer.
        """
        with self._alone("step"):
            flat = self._flatten(grads)
            arrays = self._live()
            settings = [reader.read() for reader in self._readers]
            plain = bool(cpu.gradients_fit(flat, arrays))
            if not plain:
                check_grads(self.op, flat, arrays, self._labels, required=False)
            if self.check_finite:
                check_all_finite(self.op, flat, self._labels)
            rows: list[tuple[int, RowGrad]] = []
            if not plain:
                flat, rows = self.sort_rows(flat, settings)
            self._step(flat, rows, settings)

    def _step(
        self, flat: list[Any], rows: list[tuple[int, RowGrad]], settings: list[dict[str, Any]]
    ) -> None:
        """The update, when nothing can fail any more but memory, which is taken before the first write."""
        batches = self._batcher.batches(
            [i for i, grad in enumerate(flat) if grad is not None],
            self._likes(settings),
            self._arrays,
            self.state,
            self._group_of,
            self.phase,
        )
        calls = []
        for batch in batches:
            its, phase = batch.settings(settings), self.phase(batch.states[0])
            calls.append((batch, its, phase, self._slots_of(batch, its)))
        phases = [self.phase(self.state[place]) for place, _ in rows]
        for place, _ in rows:
            its = settings[self._group_of[place]]
            self._prepare(place, its, self.slots(its))
        dense = [place for place in self._tables if flat[place] is not None]
        for place in dense:
            self._tables[place].flush()
        for batch, its, phase, slots in calls:
            self.update(batch.params, batch.grads(flat), slots, phase, its)
            self.advance(batch.states, its)
        for place in dense:
            self._tables[place].restart(self.state[place]["step"])
        for (place, grad), phase in zip(rows, phases, strict=True):
            self.step_rows(place, grad, phase, settings[self._group_of[place]])

    def _slots_of(self, batch: Batch, settings: dict[str, Any]) -> dict[str, list[Array]]:
        names = self.slots(settings)
        if names != batch.names:
            for place in batch.places:
                self._prepare(place, settings, names)
            batch.names, batch.slots = names, {n: [s[n] for s in batch.states] for n in names}
        return batch.slots

    def _prepare(self, place: int, settings: dict[str, Any], names: tuple[str, ...]) -> None:
        """Make what the state of a parameter lacks."""
        state = self.state[place]
        if not state:
            state.update(self.new_numbers())
        for name in names:
            if name not in state:
                state[name] = self.new_slot(name, self._arrays[place], settings)

    def _likes(self, settings: list[dict[str, Any]]) -> list[int]:
        """For each group the first whose parameters can go into one call with its own."""
        if len(settings) == 1:
            return [0]
        kinds = []
        for each in settings:
            apart = self.decoupled(each)
            kinds.append([value for name, value in each.items() if not (apart and name == "weight_decay")])
        return [kinds.index(kind) for kind in kinds]

    def check_settings(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range, or with which `sparse` cannot be had."""
        self.check(settings)
        self.check_exact(settings)

    def plain_settings(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a group as plain numbers, checked as the constructor does it."""
        settings = read_settings(self.op, group, self.defaults)
        check_number(self.op, "lr", settings["lr"], low=0)
        self.check_settings(settings)
        return settings

    @contextmanager
    def _alone(self, method: str) -> Iterator[None]:
        """Refuse a call while another one is at work on this optimizer."""
        if not self._turn.acquire(blocking=False):
            raise RuntimeError(
                f"{self.op}: {method} must not run while another call works on the optimizer; got both at once"
            )
        try:
            yield
        finally:
            self._turn.release()
