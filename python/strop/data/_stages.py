"""The stages of a pipeline: each makes the elements of an epoch from those of the stage before."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from .. import _random
from ._elements import stacked
from ._prefetch import prefetched
from ._rows import Batches, Mapped, Ordered, Rows, applied, owned

Length = int | float | None

Elements = Iterator[Any]


class Stage:
    """A stage; the base is one whose elements come in a row from the stage before."""

    def __init__(self, before: Stage | None = None) -> None:
        self.before: Any = before

    def length(self) -> Length:
        """How many elements an epoch has: a number, infinity, or None where only reading tells."""
        length: Length = self.before.length()
        return length

    def rows(self, epoch: int) -> Rows | None:
        """The elements in any order, or None where they come one after another."""
        return None

    def read(self, epoch: int) -> Elements:
        """The elements of an epoch."""
        rows = self.rows(epoch)
        return self.stream(epoch) if rows is None else (rows[i] for i in range(len(rows)))

    def stream(self, epoch: int) -> Elements:
        """The same where they come one after another."""
        raise NotImplementedError

    def _read_before(self, epoch: int) -> closing[Any]:
        """The elements of the stage before, whose threads and files are closed with this stage."""
        return closing(self.before.read(epoch))


class RowSource(Stage):
    """Elements that lie in memory or in a file."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows

    def length(self) -> Length:
        return len(self._rows)

    def rows(self, epoch: int) -> Rows | None:
        return self._rows


class StreamSource(Stage):
    """What a function's iterator gives."""

    def __init__(self, make: Callable[[], Any], length: int | None) -> None:
        super().__init__()
        self._make, self._length = make, length

    def length(self) -> Length:
        return self._length

    def stream(self, epoch: int) -> Elements:
        made = self._make()
        if not hasattr(made, "__iter__"):
            raise TypeError(f"from_generator: generator must return an iterator; got {type(made).__name__}")
        elements = iter(made)
        try:
            for element in elements:
                yield owned(element)
        finally:
            if hasattr(elements, "close"):
                elements.close()


class Map(Stage):
    """A function of every element."""

    def __init__(self, before: Stage, fn: Callable[..., Any]) -> None:
        super().__init__(before)
        self._fn = fn

    def rows(self, epoch: int) -> Rows | None:
        rows = self.before.rows(epoch)
        return None if rows is None else Mapped(rows, self._fn)

    def stream(self, epoch: int) -> Elements:
        with self._read_before(epoch) as elements:
            for element in elements:
                yield applied(self._fn, element)


class Batch(Stage):
    """Some elements at a time."""

    def __init__(self, before: Stage, size: int, drop_remainder: bool) -> None:
        super().__init__(before)
        self._size, self._drop = size, drop_remainder

    def length(self) -> Length:
        length: Length = self.before.length()
        if length is None or length == math.inf:
            return length
        return length // self._size if self._drop else -(-length // self._size)

    def rows(self, epoch: int) -> Rows | None:
        rows = self.before.rows(epoch)
        return None if rows is None else Batches(rows, self._size, self._drop)

    def stream(self, epoch: int) -> Elements:
        with self._read_before(epoch) as elements:
            for first in itertools.count(0, self._size):
                held = list(itertools.islice(elements, self._size))
                if not held or (self._drop and len(held) < self._size):
                    return
                yield stacked(held, first=first)


class Shuffle(Stage):
    """Another order in every epoch: any of all where the elements can be had in any, else by a buffer."""

    def __init__(self, before: Stage, buffer_size: int, seed: int, every_epoch: bool) -> None:
        super().__init__(before)
        self._size, self._seed, self._every_epoch = buffer_size, seed, every_epoch

    def _generator(self, epoch: int) -> Any:
        return _random.generator(self._seed, "shuffling", epoch if self._every_epoch else 0)

    def rows(self, epoch: int) -> Rows | None:
        rows = self.before.rows(epoch)
        return None if rows is None else Ordered(rows, self._generator(epoch).permutation(len(rows)))

    def stream(self, epoch: int) -> Elements:
        generator = self._generator(epoch)
        with self._read_before(epoch) as elements:
            held = list(itertools.islice(elements, self._size))
            for element in elements:
                place = int(generator.integers(len(held)))
                yield held[place]
                held[place] = element
            for place in generator.permutation(len(held)).tolist():
                yield held[place]


class Repeat(Stage):
    """The epochs of the stage before, one after another."""

    def __init__(self, before: Stage, count: int | None) -> None:
        super().__init__(before)
        self._count = count

    def length(self) -> Length:
        length: Length = self.before.length()
        if self._count is None:
            return 0 if length == 0 else math.inf
        if self._count == 0 or length == 0:
            return 0
        return None if length is None else length * self._count

    def stream(self, epoch: int) -> Elements:
        first = epoch if self._count is None else epoch * self._count
        rounds = itertools.count(first) if self._count is None else range(first, first + self._count)
        for inner in rounds:
            empty = True
            with self._read_before(inner) as elements:
                for element in elements:
                    empty = False
                    yield element
            if empty:
                return


class Part(Stage):
    """The elements from `start` on, at most `count` of them."""

    def __init__(self, before: Stage, start: int, count: int | None) -> None:
        super().__init__(before)
        self._start, self._count = start, count

    def length(self) -> Length:
        length: Length = self.before.length()
        if length is None:
            return 0 if self._count == 0 else None
        left = max(length - self._start, 0)
        return left if self._count is None else min(left, self._count)

    def rows(self, epoch: int) -> Rows | None:
        rows = self.before.rows(epoch)
        if rows is None:
            return None
        start = min(self._start, len(rows))
        stop = len(rows) if self._count is None else min(start + self._count, len(rows))
        return Ordered(rows, range(start, stop))

    def stream(self, epoch: int) -> Elements:
        stop = None if self._count is None else self._start + self._count
        with self._read_before(epoch) as elements:
            yield from itertools.islice(elements, self._start, stop)


class Prefetch(Stage):
    """The same elements, made ahead of time."""

    def __init__(self, before: Stage, size: int) -> None:
        super().__init__(before)
        self._size = size

    def stream(self, epoch: int) -> Elements:
        return prefetched(lambda: self.before.read(epoch), self._size)
