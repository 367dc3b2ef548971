"""Means and sums of table rows, one per bag of ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels, on_gpu
from ..rowgrad import RowGrad
from .embedding import compact_ids

Array = NDArray[Any]


def embedding_bag(
    table: Array,
    ids: Array,
    *,
    offsets: Array | None = None,
    mode: str = "mean",
    pad_id: int | None = None,
    out: Array | None = None,
) -> Array:
    """The mean, or the sum, of the rows that each bag of ids names.

    A run of one id at an end of a bag, as padding makes it, is counted and not gathered: a review of 230
    words padded to 500 costs 230.

    Args:
        table: float32 or float64, (V, D).
        ids: int32 or int64 in [0, V): (N, T), or (L,) with offsets.
        offsets: int32 or int64, (N + 1,), rising from 0 to L: bag i holds ids[offsets[i]:offsets[i + 1]]. On a GPU
            only STROP_CHECK=1 looks whether they do; what does not lie among the ids is left out.
        mode: `"mean"` or `"sum"`.
        pad_id: an id that is neither read nor counted; None counts every id.
        out: like table, (N, D); None makes a new array.

    Returns:
        (N, D). A bag without ids is zeros.

    Raises:
        TypeError: table is no float array, or ids no int array.
        IndexError: an id is outside the table; the message says which and where.
        ValueError: a shape, the offsets or the mode is wrong, or an array is strided.

    Example:
        >>> import numpy as np
        >>> table = np.array([[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]])
        >>> ids = np.array([[0, 0, 1, 2], [0, 0, 0, 0]])
        >>> embedding_bag(table, ids)
        array([[5.5, 6. ],
               [9. , 9. ]])
        >>> embedding_bag(table, ids, pad_id=0)
        array([[2., 3.],
               [0., 0.]])
    """
    result: Array = kernels("embedding_bag", table).embedding_bag(table, ids, offsets, mode, pad_id, out)
    return result


def embedding_bag_scatter(
    grad: Array,
    ids: Array,
    *,
    num_rows: int,
    offsets: Array | None = None,
    mode: str = "mean",
    pad_id: int | None = None,
    out: Array | None = None,
) -> Array:
    """The gradient by the table of `embedding_bag`, as a dense array.

    For tables that fit into cache, such as the compact one of a training step; `embedding_bag_backward` keeps
    only the rows that were read.

    Args:
        grad: float32 or float64, (N, D): the gradient by the output.
        ids: as in the forward.
        num_rows: V, the rows of the table.
        offsets: as in the forward.
        mode: as in the forward.
        pad_id: as in the forward.
        out: like grad, (V, D), overwritten; None makes a new array.

    Returns:
        (V, D). Each row's terms are added in the order of the ids, whatever the threads.

    Raises:
        TypeError: grad is no float array, or ids no int array.
        IndexError: an id is outside the table.
        ValueError: a shape, the offsets or the mode is wrong, or an array is strided.

    Example:
        >>> import numpy as np
        >>> embedding_bag_scatter(np.array([[6.0]]), np.array([[1, 2, 1]]), num_rows=3)
        array([[0.],
               [4.],
               [2.]])
    """
    result: Array = kernels("embedding_bag_scatter", grad).embedding_bag_scatter(
        grad, ids, num_rows, offsets, mode, pad_id, out
    )
    return result


def embedding_bag_backward(
    grad: Array,
    ids: Array,
    *,
    num_rows: int,
    offsets: Array | None = None,
    mode: str = "mean",
    pad_id: int | None = None,
) -> RowGrad:
    """The gradient by the table of `embedding_bag`, for the rows that were read.

    Args:
        grad: float32 or float64, (N, D): the gradient by the output.
        ids: as in the forward.
        num_rows: V, the rows of the table.
        offsets: as in the forward.
        mode: as in the forward.
        pad_id: as in the forward; that row is not among those of the result.

    Returns:
        A `RowGrad` with each row once, in order of first appearance; on a GPU the rows rise, and places at the end
        may be none (`RowGrad.padded`).

    Raises:
        TypeError: grad is no float array, or ids no int array.
        IndexError: an id is outside the table.
        ValueError: a shape, the offsets or the mode is wrong, or an array is strided.

    Example:
        >>> import numpy as np
        >>> grad = embedding_bag_backward(np.array([[6.0]]), np.array([[0, 2, 1]]), num_rows=5, pad_id=0)
        >>> grad.rows, grad.values.ravel()
        (array([2, 1]), array([3., 3.]))
    """
    if on_gpu(ids):
        plan = kernels("row_plan", ids).row_plan(ids, num_rows, offsets, mode, pad_id)
        return RowGrad.from_plan(plan, grad, (num_rows, grad.shape[-1]))
    rows, slots = compact_ids(ids, num_rows=num_rows)
    found = np.flatnonzero(rows == pad_id) if pad_id is not None else rows[:0]
    pad_slot = int(found[0]) if found.size else None
    values = embedding_bag_scatter(
        grad, slots, num_rows=len(rows), offsets=offsets, mode=mode, pad_id=pad_slot
    )
    if pad_slot is not None:
        kept = rows != pad_id
        rows, values = rows[kept], values[kept]
    return RowGrad.trusted(rows, values, (num_rows, np.shape(grad)[1]))
