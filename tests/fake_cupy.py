"""An array library that looks like CuPy to strop._cuda; its memory is the host's.

It serves the tests of the interface: what the bindings read of an array, refuse and hand back. With the module
that runs the kernels as fibres (tests/simt) the results are right, too.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Memory:
    def __init__(self, pointer: int) -> None:
        self.ptr = pointer


class MemoryPointer:
    def __init__(self, array: np.ndarray, device: int) -> None:
        self.ptr = array.ctypes.data if array.size else 0
        self.mem = Memory(self.ptr)
        self.device_id = device


class ndarray:  # noqa: N801
    def __init__(self, array: np.ndarray, device: int = 0) -> None:
        self.host = array
        self.data = MemoryPointer(array, device)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.host.shape

    @property
    def dtype(self) -> np.dtype:
        return self.host.dtype

    @property
    def flags(self) -> Any:
        return types.SimpleNamespace(c_contiguous=self.host.flags.c_contiguous)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        raise AssertionError("CuPy's own arrays are read by their attributes")

    def __getitem__(self, key: object) -> ndarray:
        return ndarray(np.asarray(self.host[key]), self.data.device_id)

    def get(self) -> np.ndarray:
        return self.host.copy()

    def free(self) -> None:
        """What CuPy's pool does to memory that it takes back."""
        self.data.mem.ptr = 0


class Foreign:
    """An array of another library, by __cuda_array_interface__ alone."""

    def __init__(self, array: np.ndarray, *, read_only: bool = False, **more: object) -> None:
        self.host = array
        self.about = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, read_only),
            "version": 3,
            "strides": None if array.flags.c_contiguous else array.strides,
            **more,
        }

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.about


ndarray.__module__ = "cupy"


class Stream:
    def __init__(self, pointer: int) -> None:
        self.ptr = pointer


def asarray(array: object, device: int = 0) -> ndarray:
    return ndarray(np.array(array, order="C"), device)


def _module() -> types.ModuleType:
    made = types.ModuleType("cupy")
    made.ndarray = ndarray  # type: ignore[attr-defined]
    made.asarray = asarray  # type: ignore[attr-defined]
    made.current_device = lambda: 0  # type: ignore[attr-defined]
    made.empty = lambda shape, dtype: ndarray(_poisoned(shape, dtype), made.current_device())
    made.zeros = lambda shape, dtype: ndarray(np.zeros(shape, dtype))
    made.cuda = types.SimpleNamespace(get_current_stream=lambda device: Stream(0))  # type: ignore[attr-defined]
    return made


def _poisoned(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Memory as a pool gives it: NaN or -1."""
    array = np.empty(shape, dtype)
    array.view(np.uint8 if array.ndim else dtype)[...] = 255 if array.ndim else np.array(-1, dtype)
    return array


cupy = _module()


@contextmanager
def installed() -> Iterator[types.ModuleType]:
    """`import cupy` gives the module above."""
    before = sys.modules.get("cupy")
    sys.modules["cupy"] = cupy
    try:
        yield cupy
    finally:
        del sys.modules["cupy"]
        if before is not None:
            sys.modules["cupy"] = before
