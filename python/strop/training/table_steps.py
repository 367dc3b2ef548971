"""The steps that read a table: an Embedding on its own, and one whose rows are averaged.

While training, a step costs what the batch reads and not what the table holds. The rows of the batch are numbered in
order of first appearance; those that the optimizer has deferred are caught up in copies, in a compact table that stays
in cache, and both passes work on places in it.

On a GPU the rows stay where they are, caught up in place. What stands in for the compact table is a plan: the ids
sorted by row, from which the backward pass makes a sum per row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._backend import kernels, on_gpu
from ..layers import Embedding, GlobalAveragePooling1D
from ..rowgrad import RowGrad

Array = NDArray[Any]
Grads = list[Any]


class _TableStep:
    """What both have in common: how the rows of a batch are read, and the gradient by the table."""

    def __init__(self, embedding: Embedding) -> None:
        self.embedding = self.layer = embedding
        self.variables = embedding.trainable_variables
        self.shape = (embedding.input_dim, embedding.output_dim)
        self._scratch: Any = None

    def _places(self, ids: Array) -> tuple[Array, Array]:
        """The rows that a batch reads, each once, and for each id its place among them."""
        if self._scratch is None:
            self._scratch = ops.CompactScratch(self.shape[0])
        return ops.compact_ids(ids, num_rows=self.shape[0], scratch=self._scratch)

    def _planned(self, ids: Array, mode: str, pad_id: int | None) -> Any:
        """On a GPU: the ids (N, T) sorted by row, after those rows have been caught up."""
        plan = kernels("row_plan", ids).row_plan(ids, self.shape[0], None, mode, pad_id)
        if self.embedding.table.deferred is not None:
            self.embedding.table.deferred.catch_up(plan.rows)
        return plan


class EmbeddingStep(_TableStep):
    """An Embedding whose rows go on as they are."""

    def forward(self, x: Array, training: bool, mask: Array | None) -> tuple[Array, Any, Array | None]:
        """Output, what backward needs, mask."""
        mask = self.embedding.compute_mask(x, mask)
        variable = self.embedding.table
        if not (training and self.variables):
            return ops.embedding_lookup(variable.value, x), None, mask
        if on_gpu(x):
            plan = self._planned(x.reshape(-1, 1), "sum", None)
            return ops.embedding_lookup(variable._value, x), plan, mask
        rows, slots = self._places(x)
        if variable.deferred is None:
            return ops.embedding_lookup(variable._value, x), (rows, slots), mask
        return ops.embedding_lookup(variable.deferred.gather(rows), slots), (rows, slots), mask

    def backward(self, grad: Array, saved: Any, need_x: bool) -> tuple[Array | None, Grads]:
        """No gradient by ids; a `RowGrad` by the table."""
        if not self.variables:
            return None, []
        grad = grad.reshape(-1, self.shape[1])
        if on_gpu(grad):
            return None, [RowGrad.from_plan(saved, grad, self.shape)]
        rows, slots = saved
        values = ops.embedding_bag_scatter(grad, slots.reshape(-1, 1), num_rows=len(rows), mode="sum")
        return None, [RowGrad.trusted(rows, values, self.shape)]


class BagStep(_TableStep):
    """Embedding and GlobalAveragePooling1D as one bag."""

    def __init__(self, embedding: Embedding, pooling: GlobalAveragePooling1D) -> None:
        super().__init__(embedding)
        self.pooling = pooling
        self.pad_id = 0 if embedding.mask_zero else None

    def forward(self, x: Array, training: bool, mask: Array | None) -> tuple[Array, Any, Array | None]:
        """Output, what backward needs, no mask."""
        variable = self.embedding.table
        if not (training and self.variables):
            y = ops.embedding_bag(variable.value, x, pad_id=self.pad_id)
            return self._shaped(y), None, None
        if on_gpu(x):
            plan = self._planned(x, "mean", self.pad_id)
            return self._shaped(ops.embedding_bag(variable._value, x, pad_id=self.pad_id)), plan, None
        rows, slots = self._places(x)
        table = variable.deferred
        compact = ops.embedding_lookup(variable._value, rows) if table is None else table.gather(rows)
        pad = self._pad_slot(rows)
        y = ops.embedding_bag(compact, slots, pad_id=pad)
        return self._shaped(y), (rows, slots, pad), None

    def _pad_slot(self, rows: Array) -> int | None:
        if self.pad_id is None:
            return None
        found = np.flatnonzero(rows == self.pad_id)
        return int(found[0]) if found.size else None

    def _shaped(self, y: Array) -> Array:
        return y[:, None] if self.pooling.keepdims else y

    def backward(self, grad: Array, saved: Any, need_x: bool) -> tuple[Array | None, Grads]:
        """No gradient by ids; a `RowGrad` by the table."""
        if not self.variables:
            return None, []
        grad = grad.reshape(len(grad), self.shape[1])
        if on_gpu(grad):
            return None, [RowGrad.from_plan(saved, grad, self.shape)]
        rows, slots, pad = saved
        values = ops.embedding_bag_scatter(grad, slots, num_rows=len(rows), pad_id=pad)
        if pad is not None:
            kept = np.arange(len(rows)) != pad
            rows, values = rows[kept], values[kept]
        return None, [RowGrad.trusted(rows, values, self.shape)]
