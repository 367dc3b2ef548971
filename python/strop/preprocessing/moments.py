"""Mean and variance of more numbers than fit into memory, in float64.

A block is shifted by its first sample before it is summed, so a constant feature has variance 0 exactly, whatever its
value. Blocks are merged pairwise by the formula of Chan, Golub and LeVeque (1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Bytes of a block in float64: small beside any memory, large beside what a call costs.
BLOCK_BYTES = 4 << 20


class Moments:
    """Mean and variance of every place along the axes that are kept.

    Args:
        kept: the axes, in rising order; all others are averaged.

    Example:
        >>> moments = Moments((1,))
        >>> for block in ([[1.0, 7.0]], [[3.0, 7.0], [5.0, 7.0]]):
        ...     moments.add(np.array(block))
        >>> moments.mean, moments.variance.round(6)
        (array([3., 7.]), array([2.666667, 0.      ]))
    """

    def __init__(self, kept: tuple[int, ...]) -> None:
        self.kept, self.count = kept, 0
        self.mean: Array = np.zeros(())
        self._squares: Array = np.zeros(())

    def add(self, block: Array) -> None:
        """Take in some samples."""
        axes = tuple(a for a in range(block.ndim) if a not in self.kept)
        if not block.size:
            return
        count = block.size // int(np.prod([block.shape[a] for a in self.kept]))
        first = block[tuple(slice(0, 1) if a in axes else slice(None) for a in range(block.ndim))]
        shift = first.astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinities less each other
            moved = block - shift
            mean = moved.mean(axis=axes, keepdims=True)
            moved -= mean
            np.square(moved, out=moved)
            squares = moved.sum(axis=axes)
            self._merge(count, (shift + mean).reshape(squares.shape), squares)

    def _merge(self, count: int, mean: Array, squares: Array) -> None:
        if not self.count:
            self.count, self.mean, self._squares = count, mean, squares
            return
        whole = self.count + count
        step = mean - self.mean
        self.mean = self.mean + step * (count / whole)
        self._squares = self._squares + squares + step**2 * (self.count * (count / whole))
        self.count = whole

    @property
    def variance(self) -> Array:
        """The mean square of the distance from the mean."""
        return self._squares / self.count


def blocks(op: str, data: Any, steps: int | None = None) -> Iterator[Array]:
    """Arrays of samples, none much larger than `BLOCK_BYTES` in float64 unless it came so.

    Args:
        op: how messages begin.
        data: an array or a memory map, or an iterable of batches; of a tuple the first entry counts.
        steps: at most so many batches of an iterable.

    Raises:
        TypeError: there are other things than numbers inside.
        ValueError: rows have unequal shapes.
    """
    if hasattr(data, "dtype") or hasattr(data, "to_numpy"):
        whole = numbers(op, data)
        rows = max(1, BLOCK_BYTES // max(8 * whole[:1].size, 1))
        for begin in range(0, len(whole), rows):
            yield whole[begin : begin + rows]
        return
    if isinstance(data, list) and not any(hasattr(entry, "dtype") for entry in data):
        yield numbers(op, data)
        return
    if not hasattr(data, "__iter__"):
        numbers(op, data)  # which says what is wrong with it
    for i, batch in enumerate(data):
        if i == steps:
            return
        yield from blocks(op, numbers(op, batch[0] if isinstance(batch, tuple) else batch))


def numbers(op: str, value: Any) -> Array:
    """An array with an axis of samples; a memory map stays one."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{op}: data must be plain arrays; got a MaskedArray")
    try:
        array = value.to_numpy() if hasattr(value, "to_numpy") else np.asanyarray(value)
    except ValueError:
        raise ValueError(f"{op}: data must be rectangular; got rows of unequal shapes") from None
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise TypeError(
            f"{op}: data must be arrays of numbers with an axis of samples; got {array.dtype} {array.shape}"
        )
    result: Array = array
    return result
