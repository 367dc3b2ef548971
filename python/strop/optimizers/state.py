"""What an optimizer keeps per parameter: its arrays, who is deferred, who does not decay; saved and loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rowgrad import RowGrad
from .deferred import DeferredTable

Array = NDArray[Any]
Grad = Array | RowGrad | None


def array_of(param: Any) -> Array:
    """The live array of a parameter, which is an array itself or a layer's variable."""
    result: Array = getattr(param, "_value", param)
    return result


class OptimizerState:
    """The state of the parameters of the first call, by their places."""

    op: str
    sparse: str | None
    use_ema: bool
    weight_decay: float | None
    iterations: int

    def reset(self) -> None:
        """Forget all state, as if no step had been taken with any parameter; `iterations` stays."""
        self._params: list[Any] = []
        self._arrays: list[Array] = []
        self._slots: dict[str, list[Array]] = {}
        self._averages: list[Array] = []
        self._tables: dict[int, DeferredTable] = {}
        self._pending: list[list[Grad]] = []
        self._excluded_params: list[Any] = []
        self._excluded_names: list[str] = []

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter, each like the parameter and 0 at the start."""
        return ()

    def rows_are_exact(self, decay: float) -> bool:
        """Whether a row without a gradient does not move under this rule anyway."""
        return False

    def defer(self, param: Array, state: dict[str, Array]) -> DeferredTable | None:
        """A deferred table for this parameter, or None where only the dense pass is exact."""
        return None

    def build(self, params: Sequence[Any]) -> None:
        """Make the state of these parameters; called by the first `apply`."""
        for param in params:  # another optimizer may be in charge of its rows
            if getattr(param, "deferred", None) is not None:
                param.deferred.flush()
        self._params = list(params)
        self._arrays = [array_of(p) for p in params]
        for i, array in enumerate(self._arrays):
            if not isinstance(array, np.ndarray):
                raise TypeError(f"{self.op}: params[{i}] must be a numpy array; got {type(array).__name__}")
            for j, other in enumerate(self._arrays[:i]):
                if array.size and np.may_share_memory(array, other):
                    raise ValueError(
                        f"{self.op}: params[{i}] must not overlap params[{j}]; got two views of one buffer"
                    )
        self._slots = {name: [np.zeros_like(a) for a in self._arrays] for name in self.slots()}
        self._averages = [a.copy() for a in self._arrays] if self.use_ema else []
        for i, param in enumerate(self._params):
            self._attach(i, param)

    def _attach(self, place: int, param: Any) -> None:
        """Defer the table of an embedding where that is exact."""
        if hasattr(param, "deferred"):
            param.deferred = None
            wanted = getattr(param, "sparse_rows", False) and self.sparse in (None, "exact")
        else:
            wanted = self.sparse == "exact"
        if not wanted or self._arrays[place].ndim != 2:
            return
        plain = not self.use_ema and not any(getattr(param, n, None) for n in ("regularizer", "constraint"))
        table = self.defer(self._arrays[place], self._state(place)) if plain else None
        if table is None:
            exact = self.rows_are_exact(self._decay(place))
            if self.sparse == "exact" and not exact and not self.slots_are_plain():
                raise ValueError(
                    f"{self.op}: sparse='exact' cannot be had for params[{place}] with these settings"
                    "; use sparse='dense'"
                )
            return
        self._tables[place] = table
        if hasattr(param, "deferred"):
            param.deferred = table

    def slots_are_plain(self) -> bool:
        """Whether the dense pass is the exact answer that `sparse="exact"` asks for."""
        return not any(getattr(p, n, None) for p in self._params for n in ("regularizer", "constraint"))

    def _state(self, place: int) -> dict[str, Array]:
        return {name: arrays[place] for name, arrays in self._slots.items()}

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Let these parameters not decay: by object, or by a text in their name. Say it before the first step.

        Args:
            var_list: arrays or variables.
            var_names: texts; a variable whose name holds one of them is excluded.

        Raises:
            ValueError: a step has been taken already.
        """
        if self._params:
            raise ValueError(
                "exclude_from_weight_decay: parameters must be named before the first step; got one after"
            )
        self._excluded_params += list(var_list or [])
        self._excluded_names += list(var_names or [])

    def _decay(self, place: int) -> float:
        if not self.weight_decay:
            return 0.0
        param = self._params[place]
        name = getattr(param, "path", getattr(param, "name", ""))
        excluded = any(p is param for p in self._excluded_params)
        return 0.0 if excluded or any(text in name for text in self._excluded_names) else self.weight_decay

    def flush(self) -> None:
        """Bring every deferred table up to date in place."""
        for table in self._tables.values():
            table.flush()

    def catch_up(self, key: int, rows: Array) -> None:
        """Bring rows of params[key] up to date, before reading them under `sparse="exact"`.

        Args:
            key: place of the parameter.
            rows: int32 or int64, (R,), each once.
        """
        if key in self._tables:
            self._tables[key].gather(rows)

    def state_tensors(self) -> dict[str, Array]:
        """Copies of the state, caught up, keyed `<slot>/<parameter>`."""
        tensors: dict[str, Array] = {}
        for i, param in enumerate(self._params):
            path = getattr(param, "path", str(i))
            caught_up = self._tables[i].caught_up() if i in self._tables else None
            for name, arrays in self._slots.items():
                tensors[f"{name}/{path}"] = caught_up[name] if caught_up else arrays[i].copy()
            if self.use_ema:
                tensors[f"average/{path}"] = self._averages[i].copy()
        return tensors

    def load_state_tensors(self, tensors: dict[str, Array], iterations: int) -> None:
        """Set the state to what `state_tensors` gave; all names and shapes are checked before the first write.

        Raises:
            ValueError: a name, shape or dtype is not that of these parameters.
        """
        wanted = {key: (t.shape, t.dtype) for key, t in self.state_tensors().items()}
        given = {key: (t.shape, t.dtype) for key, t in tensors.items()}
        if wanted != given:
            odd = sorted(set(wanted.items()) ^ set(given.items()), key=str)
            raise ValueError(f"{self.op}: state must fit these parameters; got a difference in {odd[0][0]!r}")
        for i, param in enumerate(self._params):
            path = getattr(param, "path", str(i))
            for name, arrays in self._slots.items():
                arrays[i][...] = tensors[f"{name}/{path}"]
            if self.use_ema:
                self._averages[i][...] = tensors[f"average/{path}"]
        self.iterations = iterations
        for table in self._tables.values():
            table.restart(iterations)
