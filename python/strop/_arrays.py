"""Arrays of numbers, from whatever a caller has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._backend import array_module, on_gpu

Array = NDArray[Any]


def rectangular(op: str, name: str, value: Any) -> Array:
    """An array of numbers, from an array, nested lists, or what has `__dlpack__`; a CuPy array as it is.

    Raises:
        ValueError: rows have unequal lengths; the message says which.
        TypeError: there are other things than numbers inside, or what holds them does not give them away.
    """
    if value is None:
        raise ValueError(f"{op}: {name} must be an array; got None")
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"{op}: {name} must be a plain array; got a {type(value).__name__}")
    kind = type(value).__name__
    if not isinstance(value, list | tuple) and not on_gpu(value):
        value = _given(op, name, value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()  # numbers of several kinds, as a frame of floats and truths gives them
    if isinstance(value, list | tuple):
        _require_equal_rows(op, name, value)
    try:
        array: Array = array_module(value).asarray(value)
    except ValueError:
        raise ValueError(
            f"{op}: {name} must be rectangular; got rows of unequal shapes; use pad_sequences"
        ) from None
    if array.dtype.kind not in "fiub":
        got = kind if array.ndim == 0 else f"a {array.dtype} array of shape {array.shape}"
        raise TypeError(f"{op}: {name} must hold numbers; got {got}")
    if array.ndim == 0:
        raise ValueError(f"{op}: {name} must have an axis of samples; got one number")
    return array


def _given(op: str, name: str, value: Any) -> Any:
    """The array that another library's object gives; one that has none to give is refused in its words."""
    if hasattr(value, "toarray"):
        raise TypeError(f"{op}: {name} must be a dense array; got {type(value).__name__}; use toarray()")
    try:
        if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (BufferError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        kind = type(value).__name__
        raise TypeError(f"{op}: {name} must be an array that NumPy reads; got {kind}: {error}") from error


def _require_equal_rows(op: str, name: str, rows: Any) -> None:
    lengths = [len(row) if hasattr(row, "__len__") and not isinstance(row, str) else -1 for row in rows]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            texts = [f"{n} (row {k})".replace("-1", "none") for k, n in ((0, lengths[0]), (i, length))]
            first, other = texts
            raise ValueError(
                f"{op}: {name} must be rectangular; got rows of length {first} and {other}; use pad_sequences"
            )
