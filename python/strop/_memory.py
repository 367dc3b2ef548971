"""Memory for tables: from the start of a cache line; and what stands beside an array, wherever that is."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._backend import array_module, on_gpu
from ._device import bytes_text, device_of

Array = NDArray[Any]

_LINE = 64


@contextmanager
def host_memory_for(what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[None]:
    """Say what was to be made where memory runs out, or where no memory could hold it.

    Example:
        >>> with host_memory_for("Dense: kernel", (10**19,), np.dtype(np.float32)):
        ...     pass
        Traceback (most recent call last):
            ...
        MemoryError: Dense: kernel must fit into memory; got shape (10000000000000000000,), over 9223372036.9 GB
    """
    need = dtype.itemsize * math.prod(max(size, 1) for size in shape)
    text = f"{what} must fit into memory; got shape {shape}, "
    if need > sys.maxsize:
        raise MemoryError(f"{text}over {bytes_text(sys.maxsize)}")
    try:
        yield
    except MemoryError as error:
        raise MemoryError(text + bytes_text(need)) from error


def zeros_beside(like: Array, dtype: Any = None) -> Array:
    """Zeros like an array that stand in their cache lines as it does, so that a loop over both can begin at a line.

    Of another dtype they stand where the same elements begin a line. On a GPU CuPy's pool places them, on the device
    of the array.

    Example:
        >>> like = np.ones(5, np.float32)[1:]
        >>> (zeros_beside(like).ctypes.data - like.ctypes.data) % 64
        0
    """
    dtype = np.dtype(like.dtype if dtype is None else dtype)
    if on_gpu(like):
        with device_of(like).current():
            made: Array = array_module(like).zeros(like.shape, dtype)
        return made
    raw = np.zeros(like.size * dtype.itemsize + _LINE, np.uint8)
    place = like.ctypes.data % _LINE // like.itemsize * dtype.itemsize
    start = (place - raw.ctypes.data) % _LINE
    result: Array = raw[start : start + like.size * dtype.itemsize].view(dtype).reshape(like.shape)
    return result


def filled_beside(like: Array, value: float) -> Array:
    """The same with one number everywhere.

    Example:
        >>> filled_beside(np.ones(2), 0.5)
        array([0.5, 0.5])
    """
    result = zeros_beside(like)
    if value:
        with device_of(like).current():
            result.fill(value)
    return result


def aligned_zeros(like: Array) -> Array:
    """Zeros like an array, from the start of a cache line: a row of 16 floats is then one line and not two.

    Example:
        >>> aligned_zeros(np.ones((3, 16), np.float32)).ctypes.data % 64
        0
    """
    raw = np.zeros(like.nbytes + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + like.nbytes].view(like.dtype).reshape(like.shape)


def copy_into(target: Array, values: Any) -> None:
    """Overwrite an array with one of the host, or with one of its own device.

    Example:
        >>> target = np.zeros(2)
        >>> copy_into(target, np.ones(2))
        >>> target
        array([1., 1.])
    """
    if not on_gpu(target):
        target[...] = values
        return
    with device_of(target).current():
        if on_gpu(values):
            target[...] = values
        else:
            target.set(np.asarray(values, target.dtype, order="C"))  # type: ignore[attr-defined]


def host_copy(array: Array) -> Array:
    """A copy on the host.

    Example:
        >>> host_copy(np.ones(2))
        array([1., 1.])
    """
    copied: Array = array.get() if on_gpu(array) else array.copy()  # type: ignore[attr-defined]
    return copied
