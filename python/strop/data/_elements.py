"""Elements of a pipeline: arrays, or tuples and dicts of them, and how they are put together to batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def mapped(structure: Any, fn: Callable[[Any], Any]) -> Any:
    """The same tuples and dicts with `fn` of every leaf.

    Example:
        >>> mapped((1, {"a": 2}), lambda leaf: leaf * 10)
        (10, {'a': 20})
    """
    if isinstance(structure, tuple):
        return tuple(mapped(entry, fn) for entry in structure)
    if isinstance(structure, dict):
        return {name: mapped(entry, fn) for name, entry in structure.items()}
    return fn(structure)


def leaves(structure: Any) -> list[Any]:
    """The leaves in order.

    Example:
        >>> leaves((1, {"a": 2}))
        [1, 2]
    """
    found: list[Any] = []
    mapped(structure, found.append)
    return found


def stacked(elements: Sequence[Any], op: str = "batch", first: int = 0) -> Any:
    """One element whose leaves have a new first axis.

    Args:
        elements: one or more, of one structure and of equal shapes.
        op: how messages begin.
        first: the number of the first element, for messages.

    Raises:
        ValueError: structures or shapes differ; the message says where.

    Example:
        >>> stacked([(np.zeros(2), 1), (np.ones(2), 0)])
        (array([[0., 0.],
               [1., 1.]]), array([1, 0]))
    """
    head = elements[0]
    if isinstance(head, tuple | dict):
        for i, element in enumerate(elements):
            if type(element) is not type(head) or _keys(element) != _keys(head):
                raise ValueError(
                    f"{op}: elements must have one structure; got {_described(head)} at {first} "
                    f"and {_described(element)} at {first + i}"
                )
        columns = [stacked([element[key] for element in elements], op, first) for key in _keys(head)]
        return tuple(columns) if isinstance(head, tuple) else dict(zip(head, columns, strict=True))
    arrays = [leaf(element, op) for element in elements]
    for i, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"{op}: elements must have one shape; got {arrays[0].shape} at {first} and {array.shape} "
                f"at {first + i}; use pad_sequences"
            )
    return np.stack(arrays)


def leaf(value: Any, op: str = "batch") -> Array:
    """A leaf as an array; a text stays Python's, since NumPy's would take the room of the longest one."""
    if isinstance(value, str | bytes):
        array = np.empty((), object)
        array[()] = value
        return array
    if not isinstance(value, np.ndarray | list) and hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{op}: arrays must be rectangular; got a ragged {type(value).__name__}") from None


def _keys(structure: Any) -> list[Any]:
    if isinstance(structure, dict):
        return list(structure)
    return list(range(len(structure))) if isinstance(structure, tuple) else []


def _described(structure: Any) -> str:
    if isinstance(structure, tuple):
        return f"a tuple of {len(structure)}"
    if isinstance(structure, dict):
        return f"a dict of {', '.join(map(repr, structure))}"
    return type(structure).__name__
