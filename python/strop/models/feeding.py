"""What users pass in becomes arrays that the steps read without looking again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module, on_gpu
from .._device import input_array, to_host
from ..layers.embedding import as_ids
from ..training import data as border
from ..training.data import Data
from .compiled import Compiled

Array = NDArray[Any]


class Feeding(Compiled):
    """Inputs, targets and weights, checked before the first step."""

    def _inputs(self, op: str, x: Any, name: str = "x") -> Array:
        """x as the first layer reads it; builds the model by its shape."""
        array = border.rectangular(op, name, input_array(op, name, x, self.device))
        if not self.layers:
            raise ValueError(f"{op}: model must have a layer; got an empty one")
        first = self.layers[0]
        if first.reads_ids:
            array = as_ids(f"{first.op} {first.name!r}", array)
        elif array.ndim == 1 and self._expects_column():
            array = array[:, None]
        if not self.built:
            self.build((None, *array.shape[1:]))
        self._fit_shape(op, name, array)
        if first.reads_ids:
            first.check_ids(array)  # type: ignore[attr-defined]
            return array
        result: Array = array_module(array).ascontiguousarray(array, first.dtype)
        return result

    def _expects_column(self) -> bool:
        shape = self.layers[0].input_shape
        return shape is None or len(shape) == 2

    def _fit_shape(self, op: str, name: str, array: Array) -> None:
        first = self.layers[0]
        wanted = first.input_shape or ()
        if first.reads_ids:  # other lengths still run
            if array.ndim != len(wanted):
                raise ValueError(f"{op}: {name} must have {len(wanted)} axes; got shape {array.shape}")
            return
        shapes_fit = len(wanted) == array.ndim and all(
            w is None or w == n for w, n in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not shapes_fit:
            raise ValueError(f"{op}: {name} must have shape {wanted}; got {array.shape}")

    def _data(
        self,
        op: str,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        name: str = "",
    ) -> Data:
        """Checked inputs, targets and weights."""
        if sample_weight is not None and class_weight is not None:
            raise ValueError(f"{op}: sample_weight and class_weight must not be given together; got both")
        inputs = self._inputs(op, x, f"{name}x")
        assert self.output_shape is not None
        # The targets are checked on the host, where the metrics want them, too.
        target = to_host(border.rectangular(op, f"{name}y", input_array(op, f"{name}y", y, self.device)))
        border.require_count(op, f"{name}y", target, len(inputs))
        self.loss = self.loss.choose(self.output_shape, target.shape)
        target = self.loss.prepare_targets(target, self.output_shape, self.dtype, op=op, argument=f"{name}y")
        weight = None
        if sample_weight is not None:
            given = input_array(op, f"{name}sample_weight", sample_weight, self.device)
            given = to_host(given) if on_gpu(given) else given
            weight = border.per_sample(op, f"{name}sample_weight", given, len(inputs), self.dtype)
        elif class_weight is not None:
            weight = border.class_weights(op, class_weight, target, self.dtype)
        return Data(inputs, target, weight)


def positive(op: str, name: str, value: Any, default: int, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{op}: {name} must be an int; got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{op}: {name} must be {least} or more; got {value}")
    return int(value)


def optional(op: str, name: str, value: Any) -> int | None:
    """A whole number of at least 1, or None."""
    return None if value is None else positive(op, name, value, 1)
