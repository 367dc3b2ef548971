"""Gradients in the shape in which their owner keeps them, checked for what reads or changes them outside of a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import on_gpu
from ..optimizers.parameters import (
    about,
    check_place,
    first_overlap,
    is_contiguous,
    is_plain,
    is_writable,
    way_to_contiguous,
)
from ..rowgrad import RowGrad

Array = NDArray[Any]
Leaf = tuple[tuple[Any, ...], Array | RowGrad]


def listed(grads: Any) -> Any:
    """What an iterator gives as a list; everything else as it is.

    Example:
        >>> listed(name for name in "ab"), listed(("a", "b"))
        (['a', 'b'], ('a', 'b'))
    """
    kept = isinstance(grads, Mapping | list | tuple | str) or hasattr(grads, "dtype")
    return grads if kept or not isinstance(grads, Iterable) else list(grads)


def leaves(grads: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All that is no container, with the keys that lead to it.

    Example:
        >>> [keys for keys, _ in leaves({"layer": [np.ones(1), None]})]
        [('layer', 0), ('layer', 1)]
    """
    if isinstance(grads, Mapping):
        parts: Iterable[tuple[Any, Any]] = grads.items()
    elif isinstance(grads, list | tuple):
        parts = enumerate(grads)
    else:
        yield path, grads
        return
    for key, part in parts:
        if part is None or isinstance(part, np.ndarray) or on_gpu(part):
            yield (*path, key), part
        else:
            yield from leaves(part, (*path, key))


def rebuild(structure: Any, values: Iterator[Any]) -> Any:
    """A structure of the same containers around other values, which come in the order of `leaves`.

    Example:
        >>> rebuild({"layer": [None, None]}, iter([1, 2]))
        {'layer': [1, 2]}
    """
    if isinstance(structure, Mapping):
        return {key: rebuild(part, values) for key, part in structure.items()}
    if isinstance(structure, list | tuple):
        parts = [rebuild(part, values) for part in structure]
        return tuple(parts) if isinstance(structure, tuple) else parts
    return next(values)


def label(path: tuple[Any, ...]) -> str:
    """What follows `grads` in messages: `['layer'][0]`."""
    return "".join(f"[{key!r}]" for key in path)


def present(op: str, grads: Any, *, written: bool) -> list[Leaf]:
    """The gradients that are not None, with the keys that lead to them, each fit to be read or written.

    Args:
        op: the function that was called, as messages begin.
        grads: an array, a `RowGrad`, or a list, a tuple or a dict of them, nested as it may be; an iterator is a list.
        written: whether they are to be changed in place.

    Raises:
        TypeError: one is no array of floats and no `RowGrad`.
        ValueError: one is strided, or read-only or overlapping another where they are to be written.
    """
    grads = listed(grads)
    try:
        found = [(path, grad) for path, grad in leaves(grads) if grad is not None]
    except RecursionError:
        raise ValueError(
            f"{op}: grads must be nested less deeply; got a list or dict inside itself"
        ) from None
    arrays = [grad.values if isinstance(grad, RowGrad) else grad for _, grad in found]
    for (path, _), array in zip(found, arrays, strict=True):
        _check(op, path, array, written)
        check_place(op, f"grads{label(path)}", array, f"grads{label(found[0][0])}", arrays[0])
    # Arrays that own their memory overlap only where one stands twice.
    owned = all(array.base is None for array in arrays) and len(set(map(id, arrays))) == len(arrays)
    overlap = first_overlap(arrays) if written and not owned else None
    if overlap is not None:
        late, early = (label(found[i][0]) for i in overlap)
        raise ValueError(f"{op}: grads{late} must not overlap grads{early}; got two views of one buffer")
    return found


def _check(op: str, path: tuple[Any, ...], array: Any, written: bool) -> None:
    if not is_plain(array):
        raise TypeError(
            f"{op}: grads{label(path)} must be a numpy array or a RowGrad; got {type(array).__name__}"
        )
    if array.dtype.char not in "fd":
        raise TypeError(f"{op}: grads{label(path)} must be float32 or float64; got a {about(array)}")
    if not is_contiguous(array):
        raise ValueError(
            f"{op}: grads{label(path)} must be C-contiguous; got a strided {about(array)}; {way_to_contiguous(array)}"
        )
    if written and not is_writable(array):
        raise ValueError(f"{op}: grads{label(path)} must be writable; got a read-only {about(array)}")
