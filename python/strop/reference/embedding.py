"""Embedding lookup in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def embedding_lookup(table: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.float64]:
    """table[ids].

    Example:
        >>> embedding_lookup(np.array([[1.0], [2.0]]), np.array([1, 0])).ravel()
        array([2., 1.])
    """
    return np.asarray(np.asarray(table, np.float64)[ids])


def embedding_lookup_backward(grad: NDArray[Any], ids: NDArray[Any], *, num_rows: int) -> NDArray[np.float64]:
    """The dense gradient by the table, (V, D).

    Example:
        >>> embedding_lookup_backward(np.ones((2, 1)), np.array([1, 1]), num_rows=3).ravel()
        array([0., 2., 0.])
    """
    dense = np.zeros((num_rows, grad.shape[-1]))
    np.add.at(dense, ids.ravel(), np.asarray(grad, np.float64).reshape(ids.size, grad.shape[-1]))
    return dense


def compact_ids(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Unique ids in order of first appearance, and the place of each id among them.

    Example:
        >>> compact_ids(np.array([7, 3, 7]))
        (array([7, 3]), array([0, 1, 0]))
    """
    rows = list(dict.fromkeys(ids.ravel().tolist()))
    place = {row: i for i, row in enumerate(rows)}
    slots = np.array([place[i] for i in ids.ravel().tolist()], np.int64)
    return np.array(rows, np.int64), slots.reshape(ids.shape)
