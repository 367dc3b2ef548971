"""Rows shuffled together and divided into parts to train, validate and test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random

Array = NDArray[Any]


def shuffle(*arrays: Any, seed: int | None = None) -> Any:
    """Copies of arrays or lists of equal length in another order, the same for all.

    Args:
        arrays: arrays, memory maps, lists or pandas frames.
        seed: None draws from strop's stream for shuffling.

    Returns:
        One of one, else a tuple.

    Raises:
        ValueError: lengths differ.

    Example:
        >>> x, y = shuffle([1, 2, 3], ["a", "b", "c"], seed=0)
        >>> sorted(zip(x, y))
        [(1, 'a'), (2, 'b'), (3, 'c')]
    """
    count = _length("shuffle", arrays)
    order = _generator("shuffle", seed).permutation(count)
    shuffled = tuple(_rows(a, order) for a in arrays)
    return shuffled[0] if len(shuffled) == 1 else shuffled


def train_test_split(
    *arrays: Any,
    test_size: float = 0.2,
    validation_size: float = 0.0,
    seed: int | None = None,
    shuffle: bool = True,
    stratify: Any = None,
) -> tuple[Any, ...]:
    """Divide arrays or lists of equal length into parts to train and to test, and to validate if asked.

    Args:
        arrays: arrays, memory maps, lists or pandas frames; all are divided alike.
        test_size: share of the rows, or their number if it is an int.
        validation_size: the same; 0 makes no such part.
        seed: None draws from strop's stream for shuffling.
        shuffle: False keeps the order: the first rows train, the last test, as series need it.
        stratify: labels (N,): every part has the classes in the proportions of the whole, to a row or two.

    Returns:
        Of each array its parts in the order train, validation (if asked), test: `x_train, x_test, y_train, y_test`.

    Raises:
        ValueError: lengths differ, a part would be empty, or stratify is given without shuffle.

    Example:
        >>> x_train, x_test, y_train, y_test = train_test_split([1, 2, 3, 4], [0, 0, 1, 1], test_size=0.5,
        ...     stratify=[0, 0, 1, 1], seed=3)
        >>> sorted(y_test)
        [0, 1]
    """
    op = "train_test_split"
    count = _length(op, arrays)
    test = _size(op, "test_size", test_size, count)
    validation = _size(op, "validation_size", validation_size, count) if validation_size else 0
    if test + validation >= count:
        raise ValueError(
            f"{op}: test_size and validation_size must leave rows to train on; got {test} and {validation} of {count}"
        )
    sizes = [count - test - validation, validation, test]
    if stratify is not None:
        if not shuffle:
            raise ValueError(f"{op}: stratify must go with shuffle; got shuffle=False")
        order, ends = _stratified(op, stratify, count, sizes, _generator(op, seed))
    else:
        order = _generator(op, seed).permutation(count) if shuffle else np.arange(count)
        ends = np.cumsum(sizes)
    chosen = np.split(order, ends[:-1])
    if not validation:
        del chosen[1]
    return tuple(_rows(a, rows) for a in arrays for rows in chosen)


def _stratified(
    op: str, labels: Any, count: int, sizes: list[int], generator: np.random.Generator
) -> tuple[Array, Array]:
    """An order of the rows by part, and where the parts end."""
    classes, places = np.unique(np.asarray(labels).reshape(-1), return_inverse=True)
    if len(places) != count:
        raise ValueError(f"{op}: stratify must have one label per row ({count}); got {len(places)}")
    counts = np.bincount(places, minlength=len(classes))
    table = _apportioned(counts, sizes)
    parts: list[list[Array]] = [[] for _ in sizes]
    for k in range(len(classes)):
        rows = generator.permutation(np.flatnonzero(places == k))
        for part, held in zip(parts, np.split(rows, np.cumsum(table[k])[:-1]), strict=True):
            part.append(held)
    mixed = [generator.permutation(np.concatenate(part)) for part in parts]
    return np.concatenate(mixed), np.cumsum([len(m) for m in mixed])


def _apportioned(counts: Array, sizes: list[int]) -> Array:
    """How many rows of each class each part has: rows sum to counts, columns to sizes.

    Shares are rounded down; what is left goes, one row at a time, to the part that is furthest behind among those
    with room, class by class from the largest remainder.
    """
    shares = counts[:, None] * (np.array(sizes) / counts.sum())
    table: Array = np.floor(shares + 1e-9).astype(np.int64)
    left, room = counts - table.sum(axis=1), np.array(sizes) - table.sum(axis=0)
    wanted = shares - table
    while left.sum():
        open_cells = (left[:, None] > 0) & (room > 0)
        cell = np.unravel_index(np.where(open_cells, wanted, -np.inf).argmax(), wanted.shape)
        table[cell] += 1
        wanted[cell] -= 1
        left[cell[0]] -= 1
        room[cell[1]] -= 1
    return table


def _size(op: str, name: str, value: Any, count: int) -> int:
    """A number of rows, of 1 or more."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        size = int(value)
    elif isinstance(value, float) and 0 < value < 1:
        # The shorter side of the share is rounded up, as in scikit-learn, after 1e-9 for shares such as 0.1.
        size = math.ceil(count * value - 1e-9)
    else:
        raise ValueError(f"{op}: {name} must be an int or lie in (0, 1); got {value}")
    if not 0 < size < count:
        raise ValueError(f"{op}: {name} must leave rows on both sides; got {value} of {count} rows")
    return size


def _length(op: str, arrays: tuple[Any, ...]) -> int:
    if not arrays:
        raise ValueError(f"{op}: arrays must be at least one; got none")
    lengths = [len(a) for a in arrays]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            raise ValueError(
                f"{op}: arrays must have equal lengths; got {lengths[0]} and {length} (array {i})"
            )
    return lengths[0]


def _generator(op: str, seed: int | None) -> np.random.Generator:
    if seed is None:
        return _random.streams.generator("shuffling")
    return _random.generator(_random.check_seed(op, seed), "shuffling")


def _rows(array: Any, rows: Array) -> Any:
    """Rows of a list, a frame or an array."""
    if isinstance(array, list | tuple):
        return [array[i] for i in rows.tolist()]
    return array.iloc[rows] if hasattr(array, "iloc") else np.asarray(array[rows])
