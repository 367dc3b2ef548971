"""A gradient that is zero but for some rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._backend import cpu

Array = NDArray[Any]


class RowGrad:
    """The gradient of a table of which a batch has read some rows.

    Args:
        rows: int32 or int64, (R,), in [0, V): the rows that have a gradient. One may stand there twice: the
            gradient is then the sum.
        values: float32 or float64, (R,) + shape[1:]: the gradient of each.
        shape: the shape (V, ...) of the parameter.

    Raises:
        TypeError: rows are no ints, or values no floats.
        IndexError: a row is outside the parameter; the message says which and where.
        ValueError: shapes do not fit.

    Example:
        >>> grad = RowGrad([2, 0, 2], [[1.0], [2.0], [3.0]], (4, 1))
        >>> grad.to_dense().ravel()
        array([2., 0., 4., 0.])
        >>> grad
        RowGrad(3 rows of shape (4, 1), float64)
    """

    __slots__ = ("rows", "shape", "unique", "values")

    def __init__(self, rows: Any, values: Any, shape: tuple[int, ...]) -> None:
        self.rows: Array = np.ascontiguousarray(rows)
        self.values: Array = np.ascontiguousarray(values)
        self.shape = tuple(int(extent) for extent in shape)
        #: Whether each row is known to stand there once.
        self.unique = False
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
        bad = np.flatnonzero((self.rows < 0) | (self.rows >= self.shape[0]))
        if bad.size:
            at = int(bad[0])
            raise IndexError(
                f"RowGrad: rows must lie in [0, {self.shape[0]}); got {self.rows[at]} at ({at},)"
            )

    @classmethod
    def trusted(cls, rows: Array, values: Array, shape: tuple[int, ...]) -> RowGrad:
        """A gradient whose parts a kernel has made: each row once, nothing checked again."""
        result = cls.__new__(cls)
        result.rows, result.values, result.shape, result.unique = rows, values, shape, True
        return result

    def __repr__(self) -> str:
        return f"RowGrad({len(self.rows)} rows of shape {self.shape}, {self.values.dtype})"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.values.dtype

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
        rows, slots = cpu.compact_ids(self.rows, self.shape[0])
        values = self.values
        if len(rows) < len(self.rows):
            flat = values.reshape(len(self.rows), -1)
            flat = cpu.embedding_bag_scatter(flat, slots.reshape(-1, 1), len(rows), None, "sum")
            values = flat.reshape(len(rows), *self.shape[1:])
        return RowGrad.trusted(rows, values, self.shape)

    def to_dense(self) -> Array:
        """The gradient as an array of the parameter's shape."""
        once = self.coalesce()
        dense = np.zeros(self.shape, self.dtype)
        dense[once.rows] = once.values
        return dense

    def norm(self) -> float:
        """The Euclidean norm, taken after duplicates have been summed.

        Example:
            >>> RowGrad([0, 0], [[3.0], [4.0]], (2, 1)).norm()
            7.0
        """
        values = self.coalesce().values
        return float(cpu.norm(values))

    def scaled(self, factor: float) -> RowGrad:
        """The gradient times a number, each row once.

        Example:
            >>> RowGrad([0, 0], [[3.0], [4.0]], (2, 1)).scaled(0.5).values
            array([[3.5]])
        """
        once = self.coalesce()
        return (
            once
            if factor == 1
            else RowGrad.trusted(once.rows, once.values * once.dtype.type(factor), once.shape)
        )

    @classmethod
    def from_ids(cls, ids: Any, values: Any, shape: tuple[int, ...]) -> RowGrad:
        """From ids of any shape and a gradient of shape ids.shape + shape[1:].

        Example:
            >>> RowGrad.from_ids([[1, 0], [1, 1]], np.ones((2, 2, 3)), (5, 3)).coalesce().values[:, 0]
            array([3., 1.])
        """
        ids = np.asarray(ids)
        return cls(ids.reshape(-1), np.asarray(values).reshape(ids.size, *shape[1:]), shape)

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
