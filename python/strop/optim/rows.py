"""What a gradient of some rows does: every row moves, late or at once, or only those rows do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._backend import cpu, kernels, on_gpu
from .._device import device_of, to_device
from ..optimizers.deferred import DeferredTable
from ..rowgrad import RowGrad
from .groups import ParamGroups

Array = NDArray[Any]


class RowSteps(ParamGroups):
    """The steps of parameters whose gradient is a `RowGrad`."""

    _tables: dict[int, DeferredTable]

    def sort_rows(
        self, flat: Sequence[Any], settings: list[dict[str, Any]]
    ) -> tuple[list[Any], list[tuple[int, RowGrad]]]:
        """The gradients of parameters whose every row moves now, and those of which only rows do, by place."""
        dense, rows = list(flat), []
        for place, grad in enumerate(flat):
            if not isinstance(grad, RowGrad):
                continue
            its = settings[self._group_of[place]]
            if (
                self.sparse == "touched"
                or (self.sparse != "dense" and self.rows_stand(its))
                or (self.sparse == "exact" and self._can_defer(place, its))
            ):
                rows.append((place, grad.coalesce()))
                dense[place] = None
            else:
                dense[place] = grad.to_dense()
        return dense, rows

    def _can_defer(self, place: int, settings: dict[str, Any]) -> bool:
        rule = self.deferred_rule(settings)
        if rule is None or not self._arrays[place].size or not self._arrays[place].ndim:
            return False
        amsgrad = bool(settings.get("amsgrad"))
        return ops.choose_gap(rule["beta1"], rule["beta2"], amsgrad=amsgrad) is not None

    def step_rows(self, place: int, grad: RowGrad, phase: Any, settings: dict[str, Any]) -> None:
        """The step of a parameter of which only rows have a gradient, each once."""
        state = self.state[place]
        if self.sparse == "exact" and not self.rows_stand(settings):
            table = self._table(place, settings)
            values = grad.values.reshape(len(grad.rows), table.param.shape[1])
            if settings["maximize"]:
                values = -values
            grad = RowGrad.trusted(grad.rows, values, table.param.shape)
            table.step(grad, settings["lr"], settings["weight_decay"])
        else:
            slots = {name: state[name] for name in self.slots(settings)}
            self.update(self._arrays[place], grad, slots, phase, settings)

    def _table(self, place: int, settings: dict[str, Any]) -> DeferredTable:
        rule, slots = self.deferred_rule(settings), self.deferred_slots(settings)
        assert rule is not None
        table = self._tables.get(place)
        if table is not None and (table.rule != rule or set(table.state) != set(slots)):
            table.flush()
            table = None
        if table is None:
            self.refuse_given("rows that are not deferred yet: the first step with a RowGrad defers them")
            param, state = self._arrays[place], self.state[place]
            shape = (len(param), param.size // len(param))
            arrays = {name: state[key].reshape(shape) for name, key in slots.items()}
            # The polynomials of gaps are as good as float32 can tell; float64 is for checking, so bit for bit.
            replay = param.dtype == np.float64
            table = DeferredTable(param.reshape(shape), arrays, rule, state["step"], replay=replay)
            self._tables[place] = table
        return table

    def deferred_slots(self, settings: dict[str, Any]) -> dict[str, str]:
        """The kernel's names of Adam's state arrays, and ours."""
        names = {"moment1": "exp_avg", "moment2": "exp_avg_sq"}
        return names | ({"max_moment2": "max_exp_avg_sq"} if settings["amsgrad"] else {})

    # ---- reading -----------------------------------------------------------

    def flush(self) -> None:
        """Bring every row of every parameter up to date, before reading them under `sparse="exact"`."""
        with self._alone("flush"):
            self._flush()

    def _flush(self) -> None:
        for table in self._tables.values():
            table.flush()

    def drop_tables(self) -> None:
        """Bring deferred rows up to date and defer none any more."""
        self._flush()
        self._tables.clear()

    def catch_up(self, key: int | str, rows: Any) -> None:
        """Bring rows of one parameter up to date, before reading them under `sparse="exact"`.

        Args:
            key: place of the parameter in the order of the groups, or its name: keys joined by dots.
            rows: int32 or int64, any shape; a row may stand there more than once. Rows of a GPU are not looked at:
                `strop.synchronize` tells of one outside the parameter.

        Raises:
            ValueError: no parameter has this key.
            TypeError: rows are no ints.
            IndexError: a row is outside the parameter.
        """
        with self._alone("catch_up"):
            place = self._place(key)
            if on_gpu(rows):
                if place in self._tables:
                    plan = kernels("row_plan", rows).row_plan(
                        rows.reshape(1, -1), len(self._arrays[place]), mode="sum"
                    )
                    self._tables[place].catch_up(plan.rows)
                return
            ids = np.ascontiguousarray(rows).reshape(-1)
            if not ids.size:
                return
            if ids.dtype not in (np.int32, np.int64):
                raise TypeError(f"{self.op}: rows must be int32 or int64; got {ids.dtype}")
            length, least, most = len(self._arrays[place]), ids.min(), ids.max()
            if least < 0 or most >= length:
                bad = least if least < 0 else most
                raise IndexError(f"{self.op}: rows must lie in [0, {length}); got {bad}")
            if place in self._tables:
                unique = cpu.compact_ids(ids, length)[0]
                self._tables[place].catch_up(to_device(unique, device_of(self._arrays[place])))

    def _place(self, key: int | str) -> int:
        if isinstance(key, str):
            found = [place for place, name in enumerate(self._names) if name == key]
        else:
            found = [place for place in [key] if place in range(len(self._arrays))]
        if len(found) != 1:
            raise ValueError(f"{self.op}: key must be the place or the name of one parameter; got {key!r}")
        return found[0]
