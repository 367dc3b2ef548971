"""What every optimizer of the torch dialect does around its update rule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from .._backend import kernels, on_gpu
from .._interrupts import HeldInterrupt
from .._names import check_kwargs
from ..optimizers.parameters import check_grads
from ..optimizers.settings import check_sparse, keywords
from ..rowgrad import RowGrad
from .batches import Batch, Batcher
from .checks import check_parts
from .settings import IGNORED, check_all_finite
from .state import StateDict

Array = NDArray[Any]


class Optimizer(StateDict):
    """Base of the torch dialect; an update rule is a subclass with what `Rule` asks for.

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
            settings = self._settings()
            if self._given is not None:
                settings = [{**each, "lr": self._given[0]} for each in settings]
            plain = bool(kernels("gradients_fit", arrays).gradients_fit(flat, arrays))
            if not plain:
                check_grads(self.op, flat, arrays, self._labels, required=False)
            if self.check_finite:
                check_all_finite(self.op, flat, self._labels)
            rows: list[tuple[int, RowGrad]] = []
            if not plain:
                flat, rows = self.sort_rows(flat, settings)
            self._step(flat, rows, settings)

    def _step(self, flat: list[Any], rows: list[tuple[int, RowGrad]], settings: list[dict[str, Any]]) -> None:
        """The update, when nothing can fail any more but memory, which is taken before the first write."""
        batches = self._batcher.batches(
            [i for i, grad in enumerate(flat) if grad is not None],
            self._likes(settings),
            self._arrays,
            self.state,
            self._group_of,
            self.phase,
        )
        new = any(batch.names is None for batch in batches)
        calls = []
        for batch in batches:
            its, phase = batch.settings(settings), self.phase(batch.states[0])
            calls.append((batch, its, phase, self._slots_of(batch, its)))
        phases = [self.phase(self.state[place]) for place, _ in rows]
        for place, _ in rows:
            its = settings[self._group_of[place]]
            self._prepare(place, its, self.slots(its))
        if len(calls) + len(rows) > 1:
            parts = [(batch.places, slots) for batch, _, _, slots in calls]
            for place, _ in rows:
                names = self.slots(settings[self._group_of[place]])
                parts.append(([place], {name: [self.state[place][name]] for name in names}))
            reads = list(flat)
            for place, grad in rows:
                reads[place] = grad
            check_parts(self, parts, reads, new=new)
        dense = [place for place in self._tables if flat[place] is not None]
        if dense:
            self.refuse_given("the dense gradient of a parameter whose rows are deferred")
        for place in dense:
            self._tables[place].flush()
        held = HeldInterrupt()
        for batch, its, phase, slots in calls:
            with held:
                self.update(batch.params, batch.grads(flat), slots, phase, its)
            if self._given is None:
                self.advance(batch.states, its)
        for place in dense:
            self._tables[place].restart(self.state[place]["step"])
        for (place, grad), phase in zip(rows, phases, strict=True):
            with held:
                self.step_rows(place, grad, phase, settings[self._group_of[place]])
            if self._given is None:
                self.advance([self.state[place]], settings[self._group_of[place]])
        held.release()

    def counted(self, updates: int) -> None:
        """Say that so many steps of all parameters were taken elsewhere, as by launches of a graph.

        Deferred rows are brought up to date where as many steps again would find no room in their table.
        """
        with self._alone("counted"):
            for _ in range(updates):
                for state, group in zip(self.state, self._group_of, strict=True):
                    self.advance([state], self.param_groups[group])
            for place, table in self._tables.items():
                if table.capturable:
                    table.counted(updates, self.param_groups[self._group_of[place]]["weight_decay"])
                    if table.room < updates:  # of the next launch
                        table.flush()

    def host_part(self) -> str | None:
        """What of a step the host decides, for messages; None if nothing.

        The first step is taken without: it makes the state.
        """
        if not on_gpu(self._arrays[0]):
            return "no parameters on a GPU"
        if len({group["lr"] for group in self.param_groups}) > 1:
            return "groups of several rates"
        if not all(self.state) and self.every_slot:
            return "parameters without state: the first step makes it"
        if len(set(map(self.phase, self.state))) > 1:
            return "parameters of several ages"
        return "check_finite=True" if self.check_finite else None

    def move(self, convert: Callable[[Array], Array]) -> None:
        """Take other arrays in place of all that the optimizer holds, as when a model moves to another device.

        Deferred rows are brought up to date first. Nothing has changed where `convert` fails.

        Args:
            convert: makes of each array, a parameter's too, the one that takes its place; of one array always the same.
        """
        with self._alone("move"):
            self.drop_tables()
            live = self._live()
            arrays = [convert(array) for array in live]
            states = [
                {name: convert(value) if hasattr(value, "shape") else value for name, value in state.items()}
                for state in self.state
            ]
            moved = iter(arrays)
            for group, structure in zip(self.param_groups, self._structures, strict=True):
                group["params"][:] = structure.leaves[:] = [next(moved) for _ in group["params"]]
            self._arrays = arrays
            self.state[:] = states
            self._batcher.forget()

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
        for name, number in self.new_numbers().items():
            state.setdefault(name, number)
        for name in names:
            if name not in state:
                state[name] = self.new_slot(name, self._arrays[place], settings)

    def _likes(self, settings: list[dict[str, Any]]) -> list[int]:
        """For each group the first whose parameters can go into one call with its own."""
        if len(settings) == 1:
            return [0]
        first: dict[tuple[Any, ...], int] = {}
        likes = []
        for i, each in enumerate(settings):
            apart = self.decoupled(each)
            kind = tuple(value for name, value in each.items() if not (apart and name == "weight_decay"))
            likes.append(first.setdefault(kind, i))
        return likes

    def __getstate__(self) -> dict[str, Any]:
        self._flush()
        own = ("_tables", "_batcher", "_turn")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._tables, self._batcher, self._turn = {}, Batcher(), threading.Lock()

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
