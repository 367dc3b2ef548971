"""Memory for tables: from the start of a cache line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_LINE = 64


def zeros_beside(like: Array, dtype: Any = None) -> Array:
    """Zeros like an array that stand in their cache lines as it does, so that a loop over both can begin at a line.

    Of another dtype they stand where the same elements begin a line.

    Example:
        >>> like = np.ones(5, np.float32)[1:]
        >>> (zeros_beside(like).ctypes.data - like.ctypes.data) % 64
        0
    """
    dtype = np.dtype(like.dtype if dtype is None else dtype)
    raw = np.zeros(like.size * dtype.itemsize + _LINE, np.uint8)
    place = like.ctypes.data % _LINE // like.itemsize * dtype.itemsize
    start = (place - raw.ctypes.data) % _LINE
    result: Array = raw[start : start + like.size * dtype.itemsize].view(dtype).reshape(like.shape)
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
