"""A gradient that is zero but for some rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._backend import array_module, kernels, on_gpu

Array = NDArray[Any]

#: The row that is none, in lists whose length only a GPU knows: kNoRow of csrc/kernels/base.h.
NO_ROW = int(np.iinfo(np.int64).min)


class RowGrad:
    """The gradient of a table of which a batch has read some rows.

    On a GPU rows and values are CuPy arrays. How many rows a batch has is known there alone, so a gradient that was
    made there is padded: places at the end that are not used hold -2**63, and their values mean nothing. Everything
    that takes a `RowGrad` leaves them out.

    Args:
        rows: int32 or int64, (R,), in [0, V): the rows that have a gradient. One may stand there twice: the
            gradient is then the sum.
        values: float32 or float64, (R,) + shape[1:]: the gradient of each.
        shape: the shape (V, ...) of the parameter.

    Raises:
        TypeError: rows are no ints, or values no floats, or one is on a GPU and the other is not.
        IndexError: a row is outside the parameter; the message says which and where. Of CuPy arrays that is not
            looked at here, which would wait for the GPU: the kernels leave such a row out and
            `strop.synchronize` tells of it.
        ValueError: shapes do not fit.

    Example:
        >>> grad = RowGrad([2, 0, 2], [[1.0], [2.0], [3.0]], (4, 1))
        >>> grad.to_dense().ravel()
        array([2., 0., 4., 0.])
        >>> grad
        RowGrad(3 rows of shape (4, 1), float64)
    """

    __slots__ = ("padded", "rows", "shape", "unique", "values")

    def __init__(self, rows: Any, values: Any, shape: tuple[int, ...]) -> None:
        if on_gpu(rows) != on_gpu(values):
            place, like, wrong = ("values", "rows", values) if on_gpu(rows) else ("rows", "values", rows)
            raise TypeError(
                f"RowGrad: {place} must be a cupy array like {like}; got {_kind(wrong)}; move it with cupy.asarray"
            )
        xp = array_module(values)
        self.rows: Array = xp.ascontiguousarray(rows)
        self.values: Array = xp.ascontiguousarray(values)
        self.shape = tuple(int(extent) for extent in shape)
        #: Whether each row is known to stand there once.
        self.unique = False
        #: Whether places at the end may hold no row.
        self.padded = False
        self._check()

    def _check(self) -> None:
        if not self.rows.size and self.rows.dtype == np.float64:  # an empty list says no dtype
            self.rows = self.rows.astype(np.int64)
        if self.rows.dtype not in (np.int32, np.int64):
            raise TypeError(f"RowGrad: rows must be int32 or int64; got {self.rows.dtype}")
        if self.values.dtype not in (np.float32, np.float64):
            raise TypeError(f"RowGrad: values must be float32 or float64; got {self.values.dtype}")
        if self.rows.ndim != 1 or not self.shape:
            raise ValueError(f"RowGrad: rows must have 1 axis; got shape {self.rows.shape}")
        wanted = (len(self.rows), *self.shape[1:])
        if self.values.shape != wanted:
            raise ValueError(f"RowGrad: values must have shape {wanted}; got {self.values.shape}")
        if on_gpu(self.rows):
            return
        bad = np.flatnonzero((self.rows < 0) | (self.rows >= self.shape[0]))
        if bad.size:
            at = int(bad[0])
            raise IndexError(
                f"RowGrad: rows must lie in [0, {self.shape[0]}); got {self.rows[at]} at ({at},)"
            )

    @classmethod
    def trusted(cls, rows: Array, values: Array, shape: tuple[int, ...], *, padded: bool = False) -> RowGrad:
        """A gradient whose parts a kernel has made: each row once, nothing checked again."""
        result = cls.__new__(cls)
        result.rows, result.values, result.shape = rows, values, shape
        result.unique, result.padded = True, padded
        return result

    @classmethod
    def from_plan(cls, plan: Any, grad: Array, shape: tuple[int, ...]) -> RowGrad:
        """The sums of `grad`, (N, D), over the ids of each row of a plan that a GPU has made."""
        values = kernels("row_gradient", plan.rows).row_gradient(grad, plan)
        return cls.trusted(plan.rows, values.reshape(len(plan.rows), *shape[1:]), shape, padded=True)

    def __repr__(self) -> str:
        most = "up to " if self.padded else ""
        return f"RowGrad({most}{len(self.rows)} rows of shape {self.shape}, {self.values.dtype})"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.values.dtype

    def _flat(self) -> Array:
        flat: Array = self.values.reshape(len(self.rows), math.prod(self.shape[1:]))
        return flat

    def coalesce(self) -> RowGrad:
        """The same gradient with each row once, in order of first appearance.

        Duplicates are added in the order in which they stand, so the bits depend on the input alone.

        Example:
            >>> once = RowGrad([2, 0, 2], [[1.0], [2.0], [3.0]], (4, 1)).coalesce()
            >>> once.rows, once.values.ravel()
            (array([2, 0]), array([4., 2.]))
        """
        if self.unique:
            return self
        backend = kernels("row_plan" if on_gpu(self.rows) else "compact_ids", self.rows)
        flat = self._flat()
        if on_gpu(self.rows):
            plan = backend.row_plan(self.rows.reshape(-1, 1), self.shape[0], None, "sum")
            return RowGrad.from_plan(plan, flat, self.shape)
        rows, slots = backend.compact_ids(self.rows, self.shape[0])
        values = self.values
        if len(rows) < len(self.rows):
            flat = backend.embedding_bag_scatter(flat, slots.reshape(-1, 1), len(rows), None, "sum")
            values = flat.reshape(len(rows), *self.shape[1:])
        return RowGrad.trusted(rows, values, self.shape)

    def to_dense(self) -> Array:
        """The gradient as an array of the parameter's shape. On a GPU nothing waits for it."""
        if on_gpu(self.rows):
            backend = kernels("embedding_bag_scatter", self.values)
            ids = self.rows.reshape(-1, 1)
            dense: Array = backend.embedding_bag_scatter(
                self._flat(), ids, self.shape[0], None, "sum", NO_ROW
            )
            return dense.reshape(self.shape)
        once = self.coalesce()
        dense = np.zeros(self.shape, self.dtype)
        dense[once.rows] = once.values
        return dense

    def norm(self) -> float:
        """The Euclidean norm, taken after duplicates have been summed. On a GPU it is waited for.

        Example:
            >>> RowGrad([0, 0], [[3.0], [4.0]], (2, 1)).norm()
            7.0
        """
        once = self.coalesce()
        values = once.values
        if once.padded:
            xp = array_module(values)
            used = (once.rows != NO_ROW).reshape(-1, *(1,) * (values.ndim - 1))
            values = xp.where(used, values, values.dtype.type(0))
        return float(kernels("norm", values).norm(values))

    def scaled(self, factor: float) -> RowGrad:
        """The gradient times a number, each row once.

        Example:
            >>> RowGrad([0, 0], [[3.0], [4.0]], (2, 1)).scaled(0.5).values
            array([[3.5]])
        """
        once = self.coalesce()
        if factor == 1:
            return once
        values = once.values * once.dtype.type(factor)
        return RowGrad.trusted(once.rows, values, once.shape, padded=once.padded)

    @classmethod
    def from_ids(cls, ids: Any, values: Any, shape: tuple[int, ...]) -> RowGrad:
        """From ids of any shape and a gradient of shape ids.shape + shape[1:].

        Example:
            >>> RowGrad.from_ids([[1, 0], [1, 1]], np.ones((2, 2, 3)), (5, 3)).coalesce().values[:, 0]
            array([3., 1.])
        """
        ids = ids if on_gpu(ids) else np.asarray(ids)
        values = values if on_gpu(values) else np.asarray(values)
        return cls(ids.reshape(-1), values.reshape(ids.size, *shape[1:]), shape)

    @classmethod
    def from_scipy(cls, matrix: Any) -> RowGrad:
        """From a scipy.sparse matrix: its rows that hold anything, dense.

        Example:
            >>> class Csr:  # what scipy.sparse.csr_matrix has
            ...     shape, indptr = (3, 2), np.array([0, 0, 2, 2])
            ...     def __getitem__(self, rows): return self
            ...     def tocsr(self): return self
            ...     def toarray(self): return np.array([[1.0, 2.0]])
            >>> RowGrad.from_scipy(Csr()).rows
            array([1])
        """
        csr = matrix.tocsr()
        rows = np.flatnonzero(np.diff(csr.indptr)).astype(np.int64)
        result = cls(rows, csr[rows].toarray(), csr.shape)
        result.unique = True
        return result


def _kind(value: Any) -> str:
    return f"a numpy array of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
