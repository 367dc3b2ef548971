"""Streams, graphs and memory pools of the stand-in for CuPy.

What is put on a stream that is being captured is kept by the kernels' module (tests/simt/capture.cpp), with CUDA's
refusals, and runs at each launch of the graph. Memory for a graph must come from a pool that lives as long: a pool
that goes away leaves NaN behind, and one that lives hands out again what it got back, as CuPy's do.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

#: The kernels' module by ctypes, once there is one.
library: Any = None


def use_module(path: str) -> Any:
    """Capture in this module of kernels, by its path."""
    global library
    library = ctypes.CDLL(path)
    for name in ("simt_describe_graph", "simt_error_text"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"{status}: {library.simt_error_text(status).decode()}")


def checked(status: int) -> None:
    if status:
        raise CUDARuntimeError(status)


class _OfThread(threading.local):
    """What CuPy has for each thread."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.allocator: Callable[[int], MemoryPointer] | None = None


_own = _OfThread()
_count = 0


class Stream:
    null: Stream

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        global _count
        _count += not null
        self.ptr = 0 if null else 0x1000 + 16 * _count
        self.non_blocking = non_blocking

    def __enter__(self) -> Stream:
        _own.streams.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _own.streams.pop()

    def synchronize(self) -> None:
        if self.is_capturing():
            checked(library.simt_wait_for_stream(_handle(self)))

    def is_capturing(self) -> bool:
        return library is not None and bool(library.simt_is_capturing(_handle(self)))

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        checked(library.simt_begin_capture(_handle(self)))

    def end_capture(self) -> Graph:
        made = ctypes.c_void_p()
        checked(library.simt_end_capture(_handle(self), ctypes.byref(made)))
        graph = Graph.__new__(Graph)
        graph.handle = made
        return graph


Stream.null = Stream(null=True)


def _handle(stream: Stream) -> ctypes.c_void_p:
    return ctypes.c_void_p(stream.ptr or None)


def current_stream(device_id: int = -1) -> Stream:
    return _own.streams[-1] if _own.streams else Stream.null


def capturing() -> bool:
    return current_stream().is_capturing()


def submit_copy(target: np.ndarray, source: np.ndarray) -> None:
    """On the current stream; both are contiguous."""
    places = [ctypes.c_void_p(a.ctypes.data) for a in (target, source)]
    checked(library.simt_copy(*places, ctypes.c_size_t(target.nbytes), _handle(current_stream())))


def submit_clear(target: np.ndarray) -> None:
    place = ctypes.c_void_p(target.ctypes.data)
    checked(library.simt_clear(place, ctypes.c_size_t(target.nbytes), _handle(current_stream())))


class Graph:
    handle: ctypes.c_void_p

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "currently this class cannot be initiated by the user and must be created via stream capture"
        )

    def launch(self, stream: Stream | None = None) -> None:
        checked(library.simt_launch_graph(self.handle, _handle(stream or current_stream())))

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            library.simt_destroy_graph(self.handle)


def nodes_of(graph: Graph) -> list[str]:
    """A line for each node, for tests and estimates."""
    lines: list[str] = library.simt_describe_graph(graph.handle).decode().splitlines()
    return lines


# ---- memory --------------------------------------------------------------------


class Memory:
    """Bytes from the device."""

    #: Allocations that still succeed; None for all.
    left: int | None = None

    def __init__(self, size: int) -> None:
        if Memory.left is not None:
            if Memory.left == 0:
                raise CUDARuntimeError(2)
            Memory.left -= 1
        self.chunk = np.full(size, 255, np.uint8)
        self.ptr = self.chunk.ctypes.data


class MemoryPointer:
    def __init__(self, mem: Any, offset: int) -> None:
        self.mem, self.ptr = mem, mem.ptr + offset


class PooledMemory:
    """Bytes of a pool, which get back to it with the last array that uses them."""

    def __init__(self, memory: Memory, pool: MemoryPool) -> None:
        self.ptr, self.chunk, self._memory, self._pool = memory.ptr, memory.chunk, memory, weakref.ref(pool)

    def __del__(self) -> None:
        pool = self._pool()
        if pool is None:
            self.chunk.fill(255)
        else:
            pool.free.setdefault(self.chunk.size, []).append(self._memory)


class MemoryPool:
    def __init__(self, allocator: Any = None) -> None:
        self._allocate = allocator or (lambda size: MemoryPointer(Memory(size), 0))
        self.free: dict[int, list[Memory]] = {}
        self.total = 0

    def malloc(self, size: int) -> MemoryPointer:
        size = -(-max(size, 1) // 512) * 512  # as CuPy rounds up
        free = self.free.get(size)
        if free:
            return MemoryPointer(PooledMemory(free.pop(), self), 0)
        try:
            found = self._allocate(size).mem
        except CUDARuntimeError:  # as CuPy's do, whatever works in that memory
            self.free_all_blocks()
            found = self._allocate(size).mem
        self.total += size
        return MemoryPointer(PooledMemory(found, self), 0)

    def total_bytes(self) -> int:
        return self.total

    def free_bytes(self) -> int:
        return sum(size * len(free) for size, free in self.free.items())

    def free_all_blocks(self, stream: Any = None) -> None:
        for memory in (memory for free in self.free.values() for memory in free):
            memory.chunk.fill(255)
        self.free.clear()

    def __del__(self) -> None:
        self.free_all_blocks()


@contextmanager
def using_allocator(allocator: Callable[[int], MemoryPointer] | None = None) -> Iterator[None]:
    before, _own.allocator = _own.allocator, allocator
    try:
        yield
    finally:
        _own.allocator = before


def pooled(size: int) -> PooledMemory | None:
    """Memory from the pool in use, None where that is the default one."""
    if _own.allocator is None:
        if capturing():
            raise AssertionError("memory of a graph must come from a pool that lives as long as the graph")
        return None
    memory: PooledMemory = _own.allocator(size).mem
    return memory
