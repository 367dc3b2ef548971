"""Elements that can be had in any order: columns of arrays, and what stages of a pipeline make of them.

A batch is gathered from the columns at once, so shuffled arrays, also those in files larger than memory, are read row
by row and never as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import on_gpu
from ._elements import leaf, leaves, mapped, stacked

Array = NDArray[Any]
#: Places of rows: some in a row, or any.
Places = slice | Array


class Rows:
    """A sequence of elements."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, place: int) -> Any:
        raise NotImplementedError

    def gather(self, places: Places) -> Any:
        """The elements of some places, as one batch."""
        numbers = range(len(self))[places] if isinstance(places, slice) else places.tolist()
        return stacked([self[i] for i in numbers], first=numbers[0])


class Columns(Rows):
    """Arrays of equal length: element i has entry i of each."""

    def __init__(self, op: str, structure: Any) -> None:
        self._structure = mapped(structure, lambda value: column(op, value))
        lengths = [len(c) for c in leaves(self._structure)]
        if not lengths:
            raise ValueError(f"{op}: arrays must be at least one; got none")
        for i, length in enumerate(lengths):
            if length != lengths[0]:
                raise ValueError(
                    f"{op}: arrays must have equal lengths; got {lengths[0]} and {length} (array {i})"
                )
        self._length = lengths[0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> Any:
        return mapped(self._structure, lambda c: _own(c[place]))

    def gather(self, places: Places) -> Any:
        """Rows of every array, copied."""
        return mapped(self._structure, lambda c: take(c, places))


class Table(Rows):
    """A table whose rows are dicts, such as Hugging Face's `datasets.Dataset`."""

    def __init__(self, table: Any) -> None:
        self._table = table.with_format("numpy") if hasattr(table, "with_format") else table

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, place: int) -> Any:
        return {name: _own(value) for name, value in self._table[int(place)].items()}

    def gather(self, places: Places) -> Any:
        """Rows as a dict of arrays."""
        rows = self._table[places if isinstance(places, slice) else places.tolist()]
        return {name: _texts(values) for name, values in rows.items()}


class Items(Rows):
    """Any object with `__len__` and `__getitem__`."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Any:
        return owned(self._items[int(place)])


class Mapped(Rows):
    """A function of every element."""

    def __init__(self, rows: Rows, fn: Callable[..., Any]) -> None:
        self._rows, self._fn = rows, fn

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Any:
        return applied(self._fn, self._rows[place])


class Ordered(Rows):
    """Elements in another order, or a part of them."""

    def __init__(self, rows: Rows, order: Array | range) -> None:
        self._rows, self._order = rows, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> Any:
        return self._rows[int(self._order[place])]

    def gather(self, places: Places) -> Any:
        """The elements of some places, as one batch."""
        order = self._order
        if isinstance(order, range):
            if isinstance(places, slice):
                part = order[places]
                return self._rows.gather(slice(part.start, part.stop))
            return self._rows.gather(places + order.start)
        return self._rows.gather(order[places])


class Batches(Rows):
    """Some elements at a time."""

    def __init__(self, rows: Rows, size: int, drop_remainder: bool) -> None:
        self._rows, self._size = rows, size
        self._length = len(rows) // size if drop_remainder else -(-len(rows) // size)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < self._length:
            raise IndexError(place)
        begin = place * self._size
        return self._rows.gather(slice(begin, min(begin + self._size, len(self._rows))))


def owned(element: Any) -> Any:
    """An element that shares no memory with what its source may write the next one into."""
    return mapped(element, _own)


def applied(fn: Callable[..., Any], element: Any) -> Any:
    """`fn(*element)` of a tuple, `fn(element)` of anything else, as tf.data calls it."""
    return fn(*element) if isinstance(element, tuple) else fn(element)


def take(array: Any, places: Places) -> Any:
    """Rows, copied. Files are read in the order in which they lie, which some that are no arrays demand."""
    if isinstance(places, slice) or type(array) is np.ndarray:
        return np.array(array[places])
    unique, back = np.unique(places, return_inverse=True)
    return np.asarray(array[unique])[back]


def column(op: str, value: Any) -> Any:
    """What holds one leaf of every element: an array, a memory map, or what is read like one."""
    if on_gpu(value):
        raise TypeError(f"{op}: arrays must be on the host; got a cupy array; move it with .get()")
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"{op}: arrays must be plain; got a {type(value).__name__}")
    if isinstance(value, np.ndarray):
        found: Any = value
    elif hasattr(value, "__dlpack__"):
        found = np.from_dlpack(value)
    elif hasattr(value, "to_numpy"):
        found = _frame(op, value)
    elif isinstance(value, list) and any(isinstance(entry, str | bytes) for entry in value):
        found = _texts(value)
    elif hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__"):
        found = value  # h5py, zarr and their kind read rows when asked
    else:
        found = leaf(value, op)
    if len(found.shape) == 0:
        raise ValueError(f"{op}: arrays must have an axis of samples; got {type(value).__name__}")
    return found


def _frame(op: str, value: Any) -> Array:
    """A pandas DataFrame or Series."""
    for name, dtype in getattr(value, "dtypes", {}).items() if hasattr(value, "columns") else ():
        if getattr(dtype, "kind", "O") not in "fiub":
            raise TypeError(f"{op}: columns must hold numbers; got {dtype} in {name!r}; pass dict(frame)")
    array: Array = value.to_numpy()
    if array.dtype == object and hasattr(value, "columns"):  # numbers and truths side by side
        array = np.array(array.tolist())
        if array.dtype == object:
            raise TypeError(
                f"{op}: columns must hold numbers; got one that lacks some; fill them with fillna()"
            )
    return array


def _texts(values: Any) -> Any:
    """A list of texts as an array of objects; arrays as they are."""
    if isinstance(values, list) and any(isinstance(entry, str | bytes) for entry in values):
        array = np.empty(len(values), object)
        array[:] = values
        return array
    return leaf(values)


def _own(value: Any) -> Any:
    """An entry that shares no memory with the column."""
    return np.array(value) if isinstance(value, np.ndarray) else value
