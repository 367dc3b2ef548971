"""Where batches come from that are not cut from arrays in memory: datasets, sequences, iterators, files."""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._backend import on_gpu
from ..data import Dataset
from ..data._rows import take
from .structure import each, rows

Array = NDArray[Any]

#: Targets in a file up to this size are read whole, so that they are checked before the first step.
WHOLE_BYTES = 16 << 20


class Source:
    """Batches, pass by pass."""

    #: Whether it can be read only once.
    one_shot = False

    def count(self) -> int | float | None:
        """Batches of a pass: a number, `math.inf`, or None where only reading tells."""
        return None

    def open(self, number: int, skip: int = 0) -> Iterator[Any]:
        """The batches of a pass, without the first `skip`."""
        raise NotImplementedError

    def epoch_ends(self) -> None:
        """An epoch has been read."""


class FromDataset(Source):
    """A `strop.data.Dataset` of batches."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def count(self) -> int | float | None:
        """Its length."""
        return self._dataset.length

    def open(self, number: int, skip: int = 0) -> Iterator[Any]:
        """The batches of an epoch of the dataset."""
        return (self._dataset.skip(skip) if skip else self._dataset).epoch(number)


class FromSequence(Source):
    """An object with `__len__` and `__getitem__` whose items are batches, as Keras' `PyDataset`."""

    def __init__(self, items: Any, shuffle: bool) -> None:
        self._items, self._shuffle = items, shuffle

    def count(self) -> int | float | None:
        """Its length, which may change from epoch to epoch."""
        return len(self._items)

    def open(self, number: int, skip: int = 0) -> Iterator[Any]:
        """Its items, in a new order if they are to be shuffled."""
        if hasattr(self._items, "on_epoch_begin"):
            self._items.on_epoch_begin()
        count = len(self._items)
        order = (
            _random.streams.generator("shuffling").permutation(count) if self._shuffle else np.arange(count)
        )
        return (self._items[i] for i in order[skip:].tolist())

    def epoch_ends(self) -> None:
        """Tell the object."""
        if hasattr(self._items, "on_epoch_end"):
            self._items.on_epoch_end()


class FromIterable(Source):
    """An object that can be iterated over again and again, as torch's `DataLoader`."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def count(self) -> int | float | None:
        """Its length, if it has one."""
        return len(self._items) if hasattr(self._items, "__len__") else None

    def open(self, number: int, skip: int = 0) -> Iterator[Any]:
        """Its items."""
        return itertools.islice(iter(self._items), skip, None)


class FromIterator(Source):
    """A generator or another iterator, which is read on and on."""

    one_shot = True

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def open(self, number: int, skip: int = 0) -> Iterator[Any]:
        """What is left of it."""
        return self._iterator


class FromFile(Source):
    """Arrays of which some lie in a file: batches are gathered row by row, in the order that arrays in memory have."""

    def __init__(
        self,
        x: Any,
        y: Any,
        weight: Any,
        size: int,
        shuffle: bool,
        *,
        checked: bool = False,
        part: range | None = None,
    ) -> None:
        self.x, self.y, self.weight = x, y, weight
        self.size, self.shuffle = size, shuffle
        #: Whether the targets are in memory and have been checked.
        self.checked = checked
        self.part = range(rows(x)) if part is None else part

    def samples(self, part: range, size: int, shuffle: bool) -> FromFile:
        """Some of the samples."""
        return FromFile(self.x, self.y, self.weight, size, shuffle, checked=self.checked, part=part)

    def count(self) -> int | float | None:
        """Batches of an epoch."""
        return math.ceil(len(self.part) / self.size)

    def open(self, number: int, skip: int = 0) -> Iterator[Any]:
        """The batches of an epoch."""
        places: Any = None
        if self.shuffle:
            places = _random.streams.generator("shuffling").permutation(len(self.part)) + self.part.start
        for begin in range(skip * self.size, len(self.part), self.size):
            own = self.part[begin : begin + self.size]
            chosen = slice(own.start, own.stop) if places is None else places[begin : begin + self.size]
            yield tuple(each(partial(take, places=chosen), value) for value in (self.x, self.y, self.weight))


def source_of(x: Any, shuffle: bool) -> Source | None:
    """The source of a value that gives batches; None for arrays, lists and frames."""
    if isinstance(x, Dataset):
        return FromDataset(x)
    plain = isinstance(x, np.ndarray | list | tuple | dict | str | bytes | bytearray | memoryview) or on_gpu(
        x
    )
    if plain or any(hasattr(x, name) for name in ("__array__", "__dlpack__", "dtype", "to_numpy")):
        return None
    if hasattr(x, "__next__"):
        return FromIterator(x)
    if hasattr(x, "__getitem__") and hasattr(x, "__len__"):
        return FromSequence(x, shuffle)
    return FromIterable(x) if hasattr(x, "__iter__") else None


def in_file(array: Any) -> bool:
    """Whether rows are read from a file when asked: a memory map or a view of one, or what h5py and zarr give."""
    if not isinstance(array, np.ndarray):
        has = all(hasattr(array, name) for name in ("shape", "dtype", "__getitem__", "__len__"))
        other = any(hasattr(array, n) for n in ("__dlpack__", "to_numpy", "toarray"))
        return has and not other and not on_gpu(array)
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner, mmap.mmap)
