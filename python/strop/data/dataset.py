"""Dataset: what a pipeline is built from and how it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import _random
from ._rows import Columns, Items, Table
from ._stages import Batch, Map, Part, Prefetch, Repeat, RowSource, Shuffle, Stage, StreamSource

#: As a number of elements to prefetch: strop's choice, 2.
AUTOTUNE = -1

#: Elements that `shuffle` holds of a stream unless told.
SHUFFLE_BUFFER = 1024


class Dataset:
    """Elements that are read in order, epoch after epoch; a pipeline in the manner of tf.data.

    An element is an array, or a tuple or dict of arrays. Every method returns a new dataset and leaves this one as it
    is. Where all elements can be had in any order (arrays, memory maps, sequences) they stay so through `map`,
    `batch`, `shuffle`, `take` and `skip`: a shuffle is then a whole permutation, and a batch is gathered at once.

    Each iteration is another epoch, with another order where there is a `shuffle`; `epoch(k)` gives that of any
    epoch again.

    Example:
        >>> x, y = np.arange(10).reshape(5, 2), np.arange(5)
        >>> batches = Dataset.from_arrays(x, y).shuffle(seed=1).batch(2).prefetch(1)
        >>> [y.tolist() for x, y in batches]
        [[3, 1], [0, 2], [4]]
        >>> len(batches)
        3
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._epoch = 0

    # ---- where elements come from ------------------------------------------

    @classmethod
    def from_arrays(cls, *arrays: Any) -> Dataset:
        """Elements from arrays of equal length: element i has entry i of each.

        Args:
            arrays: NumPy arrays, memory maps, lists, pandas frames and series, what h5py and zarr give, or tuples and
                dicts of these. Several give tuples. Only the rows that are asked for are read.

        Raises:
            ValueError: lengths differ, or one has no axis of samples.

        Example:
            >>> [(x.tolist(), int(y)) for x, y in Dataset.from_arrays([[1, 2], [3, 4]], [0, 1])]
            [([1, 2], 0), ([3, 4], 1)]
        """
        return cls.from_tensor_slices(arrays[0] if len(arrays) == 1 else arrays, op="from_arrays")

    @classmethod
    def from_tensor_slices(cls, tensors: Any, *, op: str = "from_tensor_slices") -> Dataset:
        """Elements from a structure of arrays, by tf.data's name; see `from_arrays`.

        Args:
            tensors: an array, or a tuple or dict of arrays; or a table whose rows are dicts, such as Hugging Face's
                `datasets.Dataset`.
            op: how messages begin.

        Example:
            >>> [int(element["a"]) for element in Dataset.from_tensor_slices({"a": [1, 2]})]
            [1, 2]
        """
        is_table = hasattr(tensors, "column_names") and not hasattr(tensors, "to_numpy")
        return cls(RowSource(Table(tensors) if is_table else Columns(op, tensors)))

    @classmethod
    def from_sequence(cls, items: Any) -> Dataset:
        """Elements from any object with `__len__` and `__getitem__`, such as torch's datasets.

        Raises:
            TypeError: it has not both.

        Example:
            >>> list(Dataset.from_sequence(["a", "b"]))
            ['a', 'b']
        """
        if not (hasattr(items, "__len__") and hasattr(items, "__getitem__")):
            raise TypeError(
                f"from_sequence: items must have __len__ and __getitem__; got {type(items).__name__}"
            )
        return cls(RowSource(Items(items)))

    @classmethod
    def from_generator(cls, generator: Callable[[], Any], *, length: int | None = None) -> Dataset:
        """Elements from a function that returns an iterator, called anew for every epoch.

        Args:
            generator: the function itself, not what it returns, which could be read only once.
            length: how many elements an epoch has, if that is known.

        Raises:
            TypeError: generator cannot be called.

        Example:
            >>> list(Dataset.from_generator(lambda: iter(range(3))).batch(2))
            [array([0, 1]), array([2])]
        """
        if not callable(generator):
            raise TypeError(
                "from_generator: generator must be a function that returns an iterator; got "
                f"{type(generator).__name__}; pass the function without calling it"
            )
        return cls(
            StreamSource(generator, None if length is None else _count("from_generator", "length", length))
        )

    # ---- what is done with them --------------------------------------------

    def map(self, fn: Callable[..., Any]) -> Dataset:
        """`fn(*element)` of every element that is a tuple, `fn(element)` of any other.

        Example:
            >>> [int(v) for v in Dataset.from_arrays([1, 2], [3, 4]).map(lambda x, y: x + y)]
            [4, 6]
        """
        if not callable(fn):
            raise TypeError(f"map: fn must be callable; got {type(fn).__name__}")
        return Dataset(Map(self._stage, fn))

    def batch(self, batch_size: int, drop_remainder: bool = False) -> Dataset:
        """Some elements at a time, with a new first axis.

        Args:
            batch_size: how many; the last batch may be short.
            drop_remainder: True leaves a short last batch out.

        Raises:
            ValueError: while reading: elements differ in structure or shape.

        Example:
            >>> [b.tolist() for b in Dataset.from_arrays([1, 2, 3]).batch(2)]
            [[1, 2], [3]]
        """
        size = _count("batch", "batch_size", batch_size, least=1)
        return Dataset(Batch(self._stage, size, bool(drop_remainder)))

    def shuffle(
        self, buffer_size: int | None = None, seed: int | None = None, reshuffle_each_iteration: bool = True
    ) -> Dataset:
        """The elements in another order in every epoch.

        Args:
            buffer_size: of a stream, how many elements wait to be drawn from; 1024 if None. Where elements can be
                had in any order it does not matter: the order is a permutation of all.
            seed: of the orders; None takes one from strop's random streams, which `set_random_seed` seeds.
            reshuffle_each_iteration: False keeps the order of the first epoch.

        Example:
            >>> numbers = Dataset.from_arrays([0, 1, 2, 3]).shuffle(seed=2)
            >>> [int(v) for v in numbers.epoch(7)] == [int(v) for v in numbers.epoch(7)]
            True
        """
        size = (
            SHUFFLE_BUFFER if buffer_size is None else _count("shuffle", "buffer_size", buffer_size, least=1)
        )
        chosen = _random.streams.new_seed("data") if seed is None else _random.check_seed("shuffle", seed)
        return Dataset(Shuffle(self._stage, size, chosen, bool(reshuffle_each_iteration)))

    def repeat(self, count: int | None = None) -> Dataset:
        """The elements count times, each time in the order of another epoch; without end if None or -1.

        Example:
            >>> [int(v) for v in Dataset.from_arrays([1, 2]).repeat(2)]
            [1, 2, 1, 2]
        """
        return Dataset(Repeat(self._stage, None if count in (None, -1) else _count("repeat", "count", count)))

    def take(self, count: int) -> Dataset:
        """The first elements of an epoch; all if count is -1.

        Example:
            >>> [int(v) for v in Dataset.from_arrays([1, 2, 3]).take(2)]
            [1, 2]
        """
        return Dataset(Part(self._stage, 0, None if count == -1 else _count("take", "count", count)))

    def skip(self, count: int) -> Dataset:
        """The elements of an epoch without the first.

        Example:
            >>> [int(v) for v in Dataset.from_arrays([1, 2, 3]).skip(2)]
            [3]
        """
        return Dataset(Part(self._stage, _count("skip", "count", count), None))

    def prefetch(self, buffer_size: int = AUTOTUNE) -> Dataset:
        """The same elements, made ahead of time by a thread.

        The thread ends with the iterator. An error is raised where the element would have come, with its traceback.

        Args:
            buffer_size: how many may wait; `AUTOTUNE` is 2, 0 makes none ahead.

        Example:
            >>> [int(v) for v in Dataset.from_arrays([1, 2, 3]).prefetch(2)]
            [1, 2, 3]
        """
        size = 2 if buffer_size == AUTOTUNE else _count("prefetch", "buffer_size", buffer_size)
        return Dataset(Prefetch(self._stage, size)) if size else Dataset(self._stage)

    # ---- reading -----------------------------------------------------------

    def epoch(self, number: int) -> Iterator[Any]:
        """The elements of an epoch, whatever was read before.

        Args:
            number: 0 or more.
        """
        return self._stage.read(_count("epoch", "number", number))

    def __iter__(self) -> Iterator[Any]:
        self._epoch += 1
        return self.epoch(self._epoch - 1)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The same as `iter`, by tf.data's name."""
        return iter(self)

    @property
    def length(self) -> int | float | None:
        """How many elements an epoch has: a number, `math.inf`, or None where only reading tells."""
        return self._stage.length()

    def __len__(self) -> int:
        known = self.length
        if known is None:
            raise TypeError("len: the length of this dataset must be known; got a stream of unknown length")
        if known == math.inf:
            raise TypeError("len: this dataset must have an end; got a repeat without count")
        return int(known)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        known = self.length
        return f"<Dataset of {'unknown length' if known is None else f'length {known}'}>"


def _count(op: str, name: str, value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{op}: {name} must be an int; got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{op}: {name} must be {least} or more; got {value}")
    return int(value)
