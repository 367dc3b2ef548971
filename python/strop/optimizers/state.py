"""What an optimizer keeps per parameter: its arrays, who is deferred, who does not decay; saved and loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import cpu, on_gpu
from .._memory import copy_into, filled_beside, host_copy, zeros_beside
from ..ops import stored_name
from .accumulation import Accumulator
from .deferred import DeferredTable
from .given import GivenNumbers
from .linear import LinearTable
from .moving import Moving
from .parameters import check_params, paths
from .rate import HasRate

Array = NDArray[Any]
Spec = tuple[tuple[int, ...], np.dtype[Any]]
AnyTable = DeferredTable | LinearTable


class OptimizerState(Moving, GivenNumbers, HasRate):
    """The state of the parameters of the first call, by their places."""

    op: str
    sparse: str | None
    use_ema: bool
    weight_decay: float | None
    gradient_accumulation_steps: int | None
    _params: list[Any]
    _tables: dict[int, AnyTable]

    @property
    def iterations(self) -> int:
        """Updates taken so far."""
        return self._calls // (self.gradient_accumulation_steps or 1)

    @iterations.setter
    def iterations(self, count: int) -> None:
        self._calls = count * (self.gradient_accumulation_steps or 1)

    @property
    def next_step(self) -> Any:
        """The number of the next update, as ops take it."""
        return self.iterations + 1 if self._given is None else self._given[1]

    def host_part(self) -> str | None:
        """What of a step the host decides, for messages; None if nothing."""
        if not self._arrays or not on_gpu(self._arrays[0]):
            return "no parameters on a GPU yet"
        for name in ("clipnorm", "clipvalue", "global_clipnorm", "gradient_accumulation_steps", "use_ema"):
            if getattr(self, name):
                return f"{name}={getattr(self, name)}"
        if self._constrained:
            return "the constraint of a variable"
        late = any(not getattr(table, "capturable", False) for table in self._tables.values())
        return "deferred rows" if late else None

    def counted(self, updates: int) -> None:
        """Say that so many updates were taken elsewhere, as by launches of a graph; see `numbers_from`."""
        self.iterations += updates
        for place, table in self._tables.items():
            if isinstance(table, DeferredTable) and table.capturable:
                table.counted(updates, self._decays[place])

    def reset(self) -> None:
        """Forget all state, as if no step had been taken with any parameter; `iterations` stays."""
        for place, table in getattr(self, "_tables", {}).items():
            table.flush()
            if getattr(self._params[place], "deferred", None) is table:
                self._params[place].deferred = None
        self._params = []
        self._arrays: list[Array] = []
        self._slots: dict[str, list[Array]] = {}
        self._averages: list[Array] = []
        self._tables = {}
        self._decays: list[float] = []
        self._constrained: list[int] = []
        self._excluded: tuple[list[Any], list[str]] = ([], [])
        self._dense: tuple[list[int], list[Array], dict[str, list[Array]], list[float]] = ([], [], {}, [])
        steps = self.gradient_accumulation_steps
        self._pending = Accumulator(steps) if steps else None
        self._calls -= self._calls % (steps or 1)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter, each like the parameter."""
        return ()

    def start(self, slot: str) -> float:
        """The value of a state array before the first step."""
        return 0.0

    def slot_spec(self, slot: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Spec:
        """Shape and dtype of a state array of a parameter of that shape and dtype."""
        return shape, dtype

    def new_slot(self, slot: str, param: Array) -> Array:
        """A state array before the first step."""
        return filled_beside(param, self.start(slot))

    def check_arrays(self, arrays: list[Array]) -> None:
        """Refuse parameters that this rule does not take."""

    def rows_are_exact(self, decay: float) -> bool:
        """Whether a row without a gradient does not move under this rule anyway."""
        return False

    def linear(self) -> tuple[dict[str, float], float] | None:
        """A step without a gradient, where it is linear and can be deferred.

        Returns:
            What it multiplies each state array by, and what it adds of the first one to the parameter; or None.
        """
        return None

    def defer(self, param: Array, state: dict[str, Array]) -> AnyTable | None:
        """A deferred table for this parameter, or None where only the dense pass is exact."""
        linear = self.linear()
        if linear is None or param.ndim != 2 or on_gpu(param):
            return None
        factors, push = linear
        named = {name: state[name] for name in factors}
        return LinearTable(param, named, factors, push, self.update, self.iterations)

    def update(
        self, params: Any, grads: Any, state: dict[str, Any], rate: float, decays: Any, scale: float
    ) -> None:
        """One step of an array or a list of arrays."""
        raise NotImplementedError(f"{self.op}: a rule must have an update")

    # ---- parameters --------------------------------------------------------

    def build(self, params: Sequence[Any]) -> None:
        """Make the state of these parameters; called by the first `apply`.

        Raises:
            TypeError: one is no array, or has another dtype than the first.
            ValueError: one is strided, read-only or overlaps another, or `sparse="exact"` cannot be had.
        """
        arrays = check_params(self.op, params)
        self.check_arrays(arrays)
        self._check_exact(params)
        self._params, self._arrays = list(params), arrays
        self._slots = {name: [self.new_slot(name, a) for a in arrays] for name in self.slots()}
        self._averages = [zeros_beside(a) for a in arrays] if self.use_ema else []
        self._decays = [self._decay_of(p) for p in params]
        self._constrained = [i for i, p in enumerate(params) if getattr(p, "constraint", None) is not None]
        self._defer_variables()

    def _check_exact(self, params: Sequence[Any]) -> None:
        for place, param in enumerate(params):
            for obstacle in ("regularizer", "constraint"):
                held = getattr(param, obstacle, None) is not None and getattr(param, "sparse_rows", False)
                if self.sparse == "exact" and held:
                    raise ValueError(
                        f"{self.op}: sparse='exact' cannot be had with the {obstacle} of params[{place}]"
                        "; use sparse='dense'"
                    )

    def _defer(self, place: int) -> AnyTable | None:
        """The deferred table of a parameter, where one is exact; it is made when it is first needed."""
        param = self._params[place]
        if place in self._tables or self._arrays[place].ndim != 2 or self.use_ema:
            return self._tables.get(place)
        if self.rows_are_exact(self._decays[place]):
            return None
        if any(getattr(param, name, None) is not None for name in ("regularizer", "constraint")):
            return None
        table = self.defer(self._arrays[place], self._state(place))
        if table is not None:
            self._tables[place] = table
        return table

    def _state(self, place: int) -> dict[str, Array]:
        return {name: arrays[place] for name, arrays in self._slots.items()}

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Let these parameters not decay: by object, or by a pattern in their name. Say it before the first step.

        Args:
            var_list: arrays or variables.
            var_names: patterns; a variable in whose path one of them is found is excluded.

        Raises:
            ValueError: a step has been taken already.
            TypeError: var_names is one string.
        """
        if self._params:
            raise ValueError(
                "exclude_from_weight_decay: parameters must be named before the first step; got one after"
            )
        if isinstance(var_names, str):
            raise TypeError(
                f"exclude_from_weight_decay: var_names must be a list of patterns; got one str; write [{var_names!r}]"
            )
        self._excluded[0].extend(var_list or [])
        self._excluded[1].extend(var_names or [])

    def _decay_of(self, param: Any) -> float:
        path = str(getattr(param, "path", getattr(param, "name", "")))
        params, patterns = self._excluded
        if any(p is param for p in params) or any(re.search(pattern, path) for pattern in patterns):
            return 0.0
        return float(self.weight_decay or 0.0)

    def flush(self) -> None:
        """Bring every deferred table up to date in place."""
        for table in self._tables.values():
            table.flush()

    def catch_up(self, key: int, rows: Any) -> None:
        """Bring rows of params[key] up to date, before reading them under `sparse="exact"`.

        Args:
            key: place of the parameter.
            rows: int32 or int64, any shape.
        """
        ids = np.ascontiguousarray(rows).reshape(-1)
        if key in self._tables and ids.size:
            self._tables[key].catch_up(cpu.compact_ids(ids, len(self._arrays[key]))[0])

    def state_tensors(self) -> dict[str, Array]:
        """Copies of the state on the host, caught up, keyed `<slot>/<parameter>`."""
        tensors: dict[str, Array] = {}
        for place, path in enumerate(paths(self._params)):
            table = self._tables.get(place)
            caught_up = table.caught_up() if table else None
            for name, arrays in self._slots.items():
                key = f"{stored_name(name, arrays[place].dtype)}/{path}"
                tensors[key] = host_copy(caught_up[name] if caught_up else arrays[place])
            if self.use_ema:
                tensors[f"average/{path}"] = host_copy(self._averages[place])
            if self._pending is not None and self._pending.calls:
                dense = self._pending.dense(place, self._arrays[place])
                tensors[f"accumulated/{path}"] = host_copy(dense)
        return tensors

    @property
    def pending_calls(self) -> int:
        """Calls of apply whose gradients wait for their update."""
        return self._pending.calls if self._pending is not None else 0

    def state_names(self, pending_calls: int = 0) -> list[str]:
        """What `state_tensors` has of each parameter."""
        return [*self.slots(), *["average"] * self.use_ema, *["accumulated"] * bool(pending_calls)]

    def load_state_tensors(
        self, tensors: Mapping[str, Array], iterations: int, pending_calls: int = 0
    ) -> None:
        """Set the state to what `state_tensors` gave; all names and shapes are checked before the first write.

        Raises:
            ValueError: a name, shape or dtype is not that of these parameters.
        """
        if not 0 <= pending_calls < (self.gradient_accumulation_steps or 1):
            raise ValueError(
                f"{self.op}: pending_calls must lie in [0, {self.gradient_accumulation_steps or 1}); "
                f"got {pending_calls}"
            )
        sums = [zeros_beside(array) for array in self._arrays] if pending_calls else []
        held = {**self._slots, "average": self._averages, "accumulated": sums}
        targets: dict[str, Array] = {}
        for place, path in enumerate(paths(self._params)):
            for name in self.state_names(pending_calls):
                target = held[name][place]
                targets[f"{stored_name(name, target.dtype)}/{path}"] = target
        for name in sorted(set(targets) ^ set(tensors)):
            what = "lack" if name in targets else "have an unknown"
            raise ValueError(f"{self.op}: state must fit the parameters; got tensors that {what} {name!r}")
        for name, target in targets.items():
            given = tensors[name]
            if given.shape != target.shape or given.dtype != target.dtype:
                raise ValueError(
                    f"{self.op}: state {name!r} must be a {target.dtype} array of shape {target.shape}; "
                    f"got a {given.dtype} array of shape {given.shape}"
                )
        self.flush()
        for name, target in targets.items():
            copy_into(target, tensors[name])
        self.iterations = iterations
        if self._pending is not None:
            self._calls += pending_calls
            self._pending.restore(pending_calls, list(sums))
        for table in self._tables.values():
            table.restart(iterations)
