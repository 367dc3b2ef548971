"""The rate and the number of a step in device memory, where kernels read them when they run.

A captured CUDA graph holds the numbers of its launches. With these it goes on counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._backend import on_gpu


class GivenNumbers:
    """An optimizer that can take its rate and its number from arrays."""

    op: str
    #: Rate and number, inside of `numbers_from`.
    _given: tuple[Any, Any] | None = None

    @property
    def capturable(self) -> bool:
        """Whether a step needs nothing from the host, so that a CUDA graph can hold it."""
        return self.host_part() is None

    def host_part(self) -> str | None:
        """What of a step the host decides, for messages; None if nothing."""
        raise NotImplementedError

    def refuse_given(self, part: str) -> None:
        """Refuse a step that has a part for the host, where it may be one that a graph repeats.

        Raises:
            RuntimeError: the block is that of `numbers_from`.
        """
        if self._given is not None:
            raise RuntimeError(f"{self.op}: numbers_from must leave nothing to the host; got {part}")

    def prepare_numbers(self) -> None:
        """Bring to the device what a step looks up there."""

    @contextmanager
    def numbers_from(self, rate: Any, step: Any) -> Iterator[None]:
        """A block in which steps take their learning rate and their number from device memory.

        The kernels read both when they run, at every launch of a graph that was captured inside of the block. The
        optimizer counts no step meanwhile: say `counted(n)` when n of them have run. A step has the bits of one with
        the same numbers from the host.

        Args:
            rate: CuPy array without axes, float64.
            step: CuPy array without axes, int64; the number of the first step is 1.

        Raises:
            TypeError: one is no such array.
            RuntimeError: the host has a part in a step; see `capturable`.
        """
        for name, array, dtype in (("rate", rate, np.float64), ("step", step, np.int64)):
            if not on_gpu(array) or array.shape != () or array.dtype != dtype:
                what = f"{array.dtype} of shape {array.shape}" if on_gpu(array) else type(array).__name__
                raise TypeError(
                    f"{self.op}: {name} must be a cupy array without axes of {np.dtype(dtype)}; got {what}"
                )
        part = self.host_part()
        if part is not None:
            raise RuntimeError(f"{self.op}: numbers_from must leave nothing to the host; got {part}")
        self.prepare_numbers()
        before, self._given = self._given, (rate, step)
        try:
            yield
        finally:
            self._given = before
