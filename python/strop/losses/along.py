"""Losses with an axis of features or classes, which may be any but is moved to the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._backend import array_module, on_gpu
from .base import Array, Loss


class AlongAxis(Loss):
    """Base of the losses that compute along `axis`."""

    def __init__(self, axis: int, reduction: str | None, name: str) -> None:
        super().__init__(name, reduction)
        if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
            raise TypeError(f"{type(self).__name__}: axis must be an int; got {axis!r}")
        self.axis = int(axis)

    def _last(self, array: Any) -> Any:
        """The array with `axis` as its last axis."""
        ndim = array.ndim if hasattr(array, "ndim") else np.ndim(array)
        if self.axis == -1 or ndim < 2:
            return array
        if not -ndim <= self.axis < ndim:
            raise ValueError(
                f"{type(self).__name__}: axis must lie in [{-ndim}, {ndim}) for {ndim} axes; got {self.axis}"
            )
        library = array_module(array)
        return library.ascontiguousarray(library.moveaxis(library.asarray(array), self.axis, -1))

    def _finish(self, grad: Array, y_pred: Array) -> Array:
        if self.axis != -1 and y_pred.ndim > 1:
            grad = array_module(grad).moveaxis(grad, -1, self.axis)
        return super()._finish(grad, y_pred)

    def _align(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
        return super()._align(self._last(y_true), self._last(y_pred))


def refuse_gpu(op: str, array: object) -> None:
    """Refuse arrays of a GPU, for which the loss has no kernel.

    Raises:
        NotImplementedError: the array is CuPy's.
    """
    if on_gpu(array):
        raise NotImplementedError(f"{op}: no CUDA kernel yet; move the arrays to the CPU with .get()")
