"""Arrays of numbers, from whatever a caller has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._backend import array_module

Array = NDArray[Any]


def rectangular(op: str, name: str, value: Any) -> Array:
    """An array of numbers, from an array, nested lists, or what has `__dlpack__`; a CuPy array as it is.

    Raises:
        ValueError: rows have unequal lengths; the message says which.
        TypeError: there are other things than numbers inside.
    """
    if value is None:
        raise ValueError(f"{op}: {name} must be an array; got None")
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"{op}: {name} must be a plain array; got a {type(value).__name__}")
    if not isinstance(value, np.ndarray | list | tuple) and hasattr(value, "__dlpack__"):
        value = np.from_dlpack(value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()
    if isinstance(value, list | tuple):
        _require_equal_rows(op, name, value)
    array: Array = array_module(value).asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{op}: {name} must hold numbers; got {_kind(value, array)}")
    if array.ndim == 0:
        raise ValueError(f"{op}: {name} must have an axis of samples; got one number")
    return array


def _kind(value: Any, array: Array) -> str:
    return type(value).__name__ if array.ndim == 0 else f"a {array.dtype} array of shape {array.shape}"


def _require_equal_rows(op: str, name: str, rows: Any) -> None:
    lengths = [len(row) if hasattr(row, "__len__") and not isinstance(row, str) else -1 for row in rows]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            texts = [f"{n} (row {k})".replace("-1", "none") for k, n in ((0, lengths[0]), (i, length))]
            first, other = texts
            raise ValueError(
                f"{op}: {name} must be rectangular; got rows of length {first} and {other}; use pad_sequences"
            )
