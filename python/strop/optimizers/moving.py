"""The arrays of an optimizer exchanged for others, as when a model moves to another device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from .accumulation import Accumulator
from .parameters import array_of

Array = NDArray[Any]


class Moving:
    """What an optimizer holds, and how it takes other arrays in place of it."""

    sparse: str | None
    _params: list[Any]
    _arrays: list[Array]
    _slots: dict[str, list[Array]]
    _averages: list[Array]
    _pending: Accumulator | None
    _tables: dict[int, Any]
    _dense: tuple[list[int], list[Array], dict[str, list[Array]], list[float]]

    def flush(self) -> None:
        """Bring every deferred table up to date in place."""
        raise NotImplementedError

    def _defer(self, place: int) -> Any:
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: the rows are up to date, so tables are made anew."""
        self.flush()
        return {**vars(self), "_tables": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._defer_variables()

    def _defer_variables(self) -> None:
        """Put tables in charge of the rows of variables that are read by rows."""
        for place, param in enumerate(self._params):
            if hasattr(param, "deferred"):
                if param.deferred is not None:  # another optimizer's
                    param.deferred.flush()
                param.deferred = None
                if getattr(param, "sparse_rows", False) and self.sparse in (None, "exact"):
                    param.deferred = self._defer(place)

    def move(self, convert: Callable[[Array], Array]) -> None:
        """Take other arrays in place of all that the optimizer holds, as when a model moves to another device.

        Deferred rows are brought up to date first. Nothing has changed where `convert` fails.

        Args:
            convert: makes of each array, a parameter's too, the one that takes its place; of one array always the same.
        """
        self.flush()
        params = [convert(p) if array_of(p) is p else p for p in self._params]
        arrays = [convert(array) for array in self._arrays]
        slots = {name: [convert(array) for array in of] for name, of in self._slots.items()}
        averages = [convert(array) for array in self._averages]
        sums = self._pending.converted(convert) if self._pending is not None else []
        self._params, self._arrays, self._slots, self._averages = params, arrays, slots, averages
        if self._pending is not None:
            self._pending.restore(self._pending.calls, sums)
        self._dense, self._tables = ([], [], {}, []), {}
        self._defer_variables()
