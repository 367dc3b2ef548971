"""Arrays beside memory that cannot be touched: a kernel that reads or writes past an end dies at once."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def guarded(values: NDArray[Any], *, at_end: bool) -> NDArray[Any]:
    """A copy that ends where a forbidden page begins, or begins where one ends."""
    page = mmap.PAGESIZE
    pages = -(-max(values.nbytes, 1) // page) + 2
    region = mmap.mmap(-1, pages * page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(region))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for place in (base, base + (pages - 1) * page):
        if protect(place, page, 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    start = (pages - 1) * page - values.nbytes if at_end else page
    array = np.frombuffer(region, values.dtype, values.size, start).reshape(values.shape)
    array[...] = values
    return array
