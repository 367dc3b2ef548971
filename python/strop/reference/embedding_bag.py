"""Means and sums of table rows in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def bags_of(ids: NDArray[Any], offsets: NDArray[Any] | None, pad_id: int | None) -> list[NDArray[Any]]:
    """The ids of each bag that count."""
    bags = list(ids) if offsets is None else np.split(ids, offsets[1:-1])
    return bags if pad_id is None else [bag[bag != pad_id] for bag in bags]


def embedding_bag(
    table: NDArray[Any],
    ids: NDArray[Any],
    *,
    offsets: NDArray[Any] | None = None,
    mode: str = "mean",
    pad_id: int | None = None,
) -> Float64:
    """The mean or sum of the rows of each bag, (N, D); an empty bag is zeros.

    Example:
        >>> embedding_bag(np.array([[1.0], [3.0]]), np.array([[0, 1]])).ravel()
        array([2.])
    """
    table = np.asarray(table, np.float64)
    bags = bags_of(ids, offsets, pad_id)
    out = np.zeros((len(bags), table.shape[1]))
    for row, bag in zip(out, bags, strict=True):
        if len(bag):
            row[:] = table[bag].sum(axis=0) / (len(bag) if mode == "mean" else 1)
    return out


def embedding_bag_scatter(
    grad: NDArray[Any],
    ids: NDArray[Any],
    *,
    num_rows: int,
    offsets: NDArray[Any] | None = None,
    mode: str = "mean",
    pad_id: int | None = None,
) -> Float64:
    """The dense gradient by the table, (V, D).

    Example:
        >>> embedding_bag_scatter(np.array([[6.0]]), np.array([[1, 2, 1]]), num_rows=3).ravel()
        array([0., 4., 2.])
    """
    dense = np.zeros((num_rows, grad.shape[1]))
    for row, bag in zip(np.asarray(grad, np.float64), bags_of(ids, offsets, pad_id), strict=True):
        if len(bag):
            np.add.at(dense, bag, row / (len(bag) if mode == "mean" else 1))
    return dense
