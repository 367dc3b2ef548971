"""Some batches in a row on a GPU: the arrays that a graph of their steps reads and fills."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._backend import cupy, kernels
from .._random import Streams
from .data import Data

Array = NDArray[Any]

#: What a step makes of batch k: its loss, its output, and the mask of the output's rows, or None.
Step = Callable[[int, Data], tuple[Any, Array, Array | None]]

DROPOUT = "dropout"


class Block:
    """`steps` batches of `size` samples.

    Args:
        like: samples whose shapes and types those of the block have.
        size: samples of a batch.
        steps: batches.
        streams: of random numbers, from which the steps draw.
    """

    def __init__(self, like: Data, size: int, steps: int, streams: Sequence[Streams]) -> None:
        self.size, self.steps, self.streams = size, steps, list(streams)
        empty = cupy("fit").empty
        own: list[Any] = [
            None if a is None else empty((steps * size, *a.shape[1:]), a.dtype) for a in arrays_of(like)
        ]
        self.samples = Data(*own)
        #: One copy from the host brings all that changes.
        self._words = empty(2 * steps + len(streams) + steps * size, np.int64)
        ends = np.cumsum([steps, steps, len(streams)])
        self.rates, self.numbers, self.counts, self.places = (
            self._words[begin:end] for begin, end in zip([0, *ends], [*ends, None], strict=True)
        )
        self.rates = self.rates.view(np.float64)
        self.draws = [0] * len(streams)  # of a launch
        self.losses: Any = None
        self.output: Any = None
        #: 0 or 1 for each row of the output, or None.
        self.mask: Any = None

    def batch(self, k: int) -> Data:
        """The samples of batch k."""
        return self.samples.part(k * self.size, (k + 1) * self.size)

    def record(self, step: Step) -> None:
        """Take all steps and keep what they give."""
        taken = [step(k, self.batch(k)) for k in range(self.steps)]
        self.losses, self.output = (self._kept([t[i] for t in taken]) for i in range(2))
        self.mask = self._kept([None if t[2] is None else t[2].astype(t[1].dtype) for t in taken])

    def _kept(self, parts: list[Any]) -> Any:
        """What the steps have left in arrays of their own, in one that the host fetches."""
        if parts[0] is None:
            return None
        whole = cupy("fit").empty((len(parts), *parts[0].shape), parts[0].dtype)
        kernels("collect", whole).collect(parts, whole)
        return whole

    def fill(self, whole: Data, places: Array, rates: Sequence[float], first: int) -> None:
        """Choose the samples by their places and number the steps from `first` on."""
        counts = [stream.drawn(DROPOUT) for stream in self.streams]
        bits = np.array(rates, np.float64).view(np.int64)
        words = np.concatenate([bits, np.arange(first, first + self.steps), counts, places])
        self._words.set(words.astype(np.int64), stream=cupy("fit").cuda.get_current_stream())
        for own, array in zip(arrays_of(self.samples), arrays_of(whole), strict=True):
            if own is not None:
                ops.embedding_lookup(_as_table(array), self.places, out=_as_table(own))


def arrays_of(data: Data) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights, None where there are none."""
    return data.x, data.y, data.weight


def _as_table(array: Any) -> Any:
    """An array as rows of floats, for the kernel that looks them up: it copies bits whatever they mean."""
    floats = {4: np.float32, 8: np.float64}[array.dtype.itemsize]
    return array.reshape(len(array), math.prod(array.shape[1:])).view(floats)
