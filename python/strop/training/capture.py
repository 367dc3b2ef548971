"""Work of kernels as a CUDA graph: recorded once, launched many times."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .._backend import cupy


class Recorder:
    """Records graphs, which take their memory from one pool.

    Its graphs must not run at the same time: what one of them keeps for itself while it runs is another's memory at
    other times. The pool lives as long as the recorder, which must outlive its graphs.
    """

    def __init__(self) -> None:
        self._library = cupy("fit")
        self._pool = self._library.cuda.MemoryPool(self._take)
        self._stream = self._library.cuda.Stream(non_blocking=True)

    def _take(self, size: int) -> Any:
        """Memory for the pool. A pool that finds none gives back what it keeps, which recorded graphs work in."""
        cuda = self._library.cuda
        for _ in range(2):
            try:
                return cuda.MemoryPointer(cuda.Memory(size), 0)
            except cuda.runtime.CUDARuntimeError:
                self._library.get_default_memory_pool().free_all_blocks()
        raise MemoryError("fit: a graph must fit into the memory of the GPU")

    def record(self, work: Callable[[], Any]) -> Any:
        """The graph of what `work` puts on the current stream; nothing of it runs yet.

        Raises:
            Exception: what `work` raises; the recording has ended then.
        """
        with self._stream, self._library.cuda.using_allocator(self._pool.malloc):
            self._stream.begin_capture()
            try:
                work()
            except BaseException:
                with suppress(Exception):  # it says that there was an error, not which
                    self._stream.end_capture()
                raise
            return self._stream.end_capture()
