"""One array, or a tuple of them: what a model reads, gives and is compared with, by input and by output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def each(function: Callable[[Any], Any], value: Any) -> Any:
    """A function of an array, or of every array of a tuple; None stays.

    Example:
        >>> each(len, "abc"), each(len, ("abc", None, "a")), each(len, None)
        (3, (3, None, 1), None)
    """
    if isinstance(value, tuple):
        return tuple(None if array is None else function(array) for array in value)
    return None if value is None else function(value)


def leaves(value: Any) -> tuple[Any, ...]:
    """The arrays, without None.

    Example:
        >>> leaves("abc"), leaves(("abc", None)), leaves(None)
        (('abc',), ('abc',), ())
    """
    arrays = value if isinstance(value, tuple) else (value,)
    return tuple(array for array in arrays if array is not None)


def rows(value: Any) -> int:
    """How many samples the arrays have."""
    return len(leaves(value)[0]) if isinstance(value, tuple) else len(value)
