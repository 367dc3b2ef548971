"""Checked batches of what a dataset, a sequence or a generator gives."""

from __future__ import annotations

from typing import Any

from ..training import data as border
from ..training.data import Data


class Batches:
    """Makes checked batches of what a source gives; every message has the number of the batch."""

    def __init__(self, model: Any, op: str, name: str, class_weight: Any) -> None:
        self._model, self._op, self._name, self._class_weight = model, op, name, class_weight
        #: What the first batch had: the kind of numbers of x and y, and whether there was a weight.
        self._like: dict[str, Any] = {}

    def trained(self, number: int, raw: Any) -> Data:
        """A batch with targets."""
        with border.numbered(self._op, self._name, number) as op:
            x, y, weight = border.unpacked(op, raw)
            if y is None:
                got = (
                    f"a dict of {', '.join(map(repr, x))}; map it to (x, y)"
                    if isinstance(x, dict)
                    else "x alone"
                )
                raise ValueError(f"{op} must be (x, y) or (x, y, sample_weight); got {got}")
            self._require_alike(op, x=x, y=y)
            if self._like.setdefault("weighted", weight is not None) != (weight is not None):
                given, like = ("none", "one") if weight is None else ("one", "none")
                raise ValueError(
                    f"{op}: sample_weight must be given in every batch or in none; got {given} after {like}"
                )
            return self._some(op, self._model._data(op, x, y, weight, self._class_weight))

    def trained_on_checked(self, number: int, raw: Any) -> Data:
        """A batch whose targets and weights have been checked."""
        x, y, weight = raw
        with border.numbered(self._op, self._name, number) as op:
            return Data(self._model._inputs(op, x), y, weight)

    def read(self, number: int, raw: Any) -> Data:
        """A batch of inputs alone."""
        with border.numbered(self._op, self._name, number) as op:
            x = border.unpacked(op, raw)[0]
            self._require_alike(op, x=x)
            return self._some(op, Data(self._model._inputs(op, x)))

    def _some(self, op: str, data: Data) -> Data:
        if not len(data):
            raise ValueError(f"{op}: x must have a sample; got 0")
        return data

    def _require_alike(self, op: str, **arrays: Any) -> None:
        """Refuse numbers of another kind than before: levels from 0 to 255, then shares of 1, is a mistake."""
        for name, given in arrays.items():
            for label, array in _labelled(name, given):
                like = self._like.setdefault(label, array.dtype)
                if getattr(like, "kind", like) != getattr(array.dtype, "kind", array.dtype):
                    raise ValueError(f"{op}: {label} must be {like} like the first batch; got {array.dtype}")


def _labelled(name: str, given: Any) -> list[tuple[str, Any]]:
    """The arrays of a value with what messages call them: its own name, or that with a place or a name in it."""
    if isinstance(given, dict):
        named = [(f"{name}[{key!r}]", array) for key, array in given.items()]
    elif isinstance(given, tuple):
        named = [(f"{name}[{place}]", array) for place, array in enumerate(given)]
    else:
        named = [(name, given)]
    return [(label, array) for label, array in named if hasattr(array, "dtype")]
