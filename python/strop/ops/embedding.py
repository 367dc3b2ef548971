"""Rows of a table by id, and unique ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import cpu, kernels, on_gpu
from ..rowgrad import RowGrad

Array = NDArray[Any]

#: Memory that `compact_ids` keeps between calls: `CompactScratch(num_rows)`.
CompactScratch = cpu.CompactScratch


def embedding_lookup(table: Array, ids: Array, *, out: Array | None = None) -> Array:
    """Copy rows of a table: `out[i] = table[ids[i]]`.

    Args:
        table: float32 or float64, (V, D).
        ids: int32 or int64, any shape, in [0, V); -1 is not the last row.
        out: like table, ids.shape + (D,); None makes a new array.

    Returns:
        An array of shape ids.shape + (D,).

    Raises:
        TypeError: table is no float array, or ids no int array.
        IndexError: an id is outside the table; the message says which and where.
        ValueError: an array is strided, or out has another shape.

    Example:
        >>> import numpy as np
        >>> embedding_lookup(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([1, 1, 0]))
        array([[2., 3.],
               [2., 3.],
               [0., 1.]])
    """
    result: Array = kernels("embedding_lookup", table).embedding_lookup(table, ids, out)
    return result


def embedding_lookup_backward(grad: Array, ids: Array, *, num_rows: int) -> RowGrad:
    """The gradient by the table of `embedding_lookup`: a sum per row that was read.

    Args:
        grad: float32 or float64, ids.shape + (D,): the gradient by the output.
        ids: int32 or int64, as in the forward.
        num_rows: V, the rows of the table.

    Returns:
        A `RowGrad` with each row once, in order of first appearance; on a GPU the rows rise, and places at the end
        may be none (`RowGrad.padded`).

    Raises:
        TypeError: grad is no float array, or ids no int array.
        IndexError: an id is outside the table.
        ValueError: shapes do not fit, or an array is strided.

    Example:
        >>> import numpy as np
        >>> grad = embedding_lookup_backward(np.array([[1.0], [2.0], [3.0]]), np.array([2, 0, 2]), num_rows=4)
        >>> grad.rows, grad.values.ravel()
        (array([2, 0]), array([4., 2.]))
    """
    on_host = isinstance(grad, np.ndarray) and isinstance(ids, np.ndarray)
    if (on_host or on_gpu(grad)) and grad.shape[:-1] != ids.shape:
        raise ValueError(
            f"embedding_lookup_backward: grad must have the shape of ids {ids.shape} and one axis more; "
            f"got {grad.shape}"
        )
    width = grad.shape[-1]
    if on_gpu(ids):
        plan = kernels("row_plan", ids).row_plan(ids.reshape(-1, 1), num_rows, None, "sum")
        return RowGrad.from_plan(plan, grad.reshape(ids.size, width), (num_rows, width))
    rows, slots = compact_ids(ids, num_rows=num_rows)
    values = kernels("embedding_lookup_backward", grad).embedding_bag_scatter(
        grad.reshape(ids.size, width), slots.reshape(ids.size, 1), len(rows), None, "sum"
    )
    return RowGrad.trusted(rows, values, (num_rows, width))


def compact_ids(ids: Array, *, num_rows: int, scratch: Any = None) -> tuple[Array, Array]:
    """The unique ids, and for each id its place among them: `rows[slots] == ids`.

    No sort: the ids come out in order of first appearance, from one pass.

    Args:
        ids: int32 or int64, any shape, in [0, num_rows).
        num_rows: V, the rows of the table.
        scratch: a `CompactScratch(num_rows)` that is reused from call to call, by one thread at a time; None
            makes one for this call.

    Returns:
        rows, int64 (R,), and slots, int32 of ids' shape.

    Raises:
        TypeError: ids is no int array.
        IndexError: an id is outside [0, num_rows).
        ValueError: ids is strided, or scratch was made for another number of rows.

    Example:
        >>> import numpy as np
        >>> compact_ids(np.array([7, 3, 7]), num_rows=10)
        (array([7, 3]), array([0, 1, 0], dtype=int32))
    """
    result: tuple[Array, Array] = kernels("compact_ids", ids).compact_ids(ids, num_rows, scratch)
    return result
