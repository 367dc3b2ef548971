"""What users pass in becomes arrays that the steps read without looking again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module, on_gpu
from .._device import input_array, to_host
from ..layers import Layer
from ..layers.base import Shape
from ..layers.embedding import as_ids
from ..training import data as border
from ..training.data import Data
from ..training.structure import rows
from .compiled import Compiled

Array = NDArray[Any]


class Checking(Compiled):
    """Inputs, targets and weights, checked before the first step."""

    def _inputs(self, op: str, x: Any, name: str = "x") -> Any:
        """x as the first layers read it, a tuple of several inputs; builds the model by its shape."""
        structure = self.input_structure
        if not structure.several:
            shape = self.fed_shape
            return self._input(
                op, structure.only(op, name, x, len(shape or ())), name, shape, self.readers(0)
            )
        arrays: list[Array] = []
        labels = [f"{name}[{label!r}]" for label in structure.names]
        for place, given in enumerate(structure.parted(op, name, x)):
            shape, readers = self.fed_shapes[place], self.readers(place)
            arrays.append(self._input(op, given, labels[place], shape, readers))
            border.require_count(op, labels[place], arrays[-1], len(arrays[0]), labels[0])
        return tuple(arrays)

    def _input(self, op: str, x: Any, name: str, shape: Shape | None, readers: Sequence[Layer]) -> Array:
        """One input as its readers read it."""
        array = border.rectangular(op, name, input_array(op, name, x, self.device))
        if not self.layers:
            raise ValueError(f"{op}: model must have a layer; got an empty one")
        first = readers[0]
        if first.reads_ids:
            array = as_ids(f"{first.op} {first.name!r}", array)
        elif array.ndim == 1 and (shape is None or len(shape) == 2):
            array = array[:, None]
        if not self.built:
            self.build((None, *array.shape[1:]))
            shape = self.fed_shape
        self._fit_shape(op, name, array, shape or (), first)
        if first.reads_ids:
            if not (
                op == "call" and on_gpu(array)
            ):  # model(x) of a GPU's ids does not wait: kernels note a bad one
                for reader in readers:
                    reader.check_ids(array)  # type: ignore[attr-defined]
            return array
        result: Array = array_module(array).ascontiguousarray(array, first.dtype)
        return result

    def _fit_shape(self, op: str, name: str, array: Array, wanted: Shape, first: Layer) -> None:
        if first.reads_ids:  # other lengths still run
            if array.ndim != len(wanted):
                raise ValueError(f"{op}: {name} must have {len(wanted)} axes; got shape {array.shape}")
            return
        shapes_fit = len(wanted) == array.ndim and all(
            w is None or w == n for w, n in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not shapes_fit:
            raise ValueError(f"{op}: {name} must have shape {wanted}; got {array.shape}")

    # ---- arrays in memory ---------------------------------------------------

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
        self._one_weight(op, sample_weight, class_weight)
        inputs = self._inputs(op, x, f"{name}x")
        target, weight = self._targets(op, y, sample_weight, class_weight, rows(inputs), name)
        return Data(inputs, target, weight)

    def _one_weight(self, op: str, sample_weight: Any, class_weight: Any) -> None:
        if sample_weight is not None and class_weight is not None:
            raise ValueError(f"{op}: sample_weight and class_weight must not be given together; got both")

    def _targets(
        self, op: str, y: Any, sample_weight: Any, class_weight: Any, count: int, name: str
    ) -> tuple[Any, Any]:
        """Checked targets and weights of so many samples, tuples of several outputs; the model is built."""
        structure = self.output_structure
        if not structure.several:
            y = structure.only(op, f"{name}y", y, len(self.output_shapes[0] or ()))
            target = self._target(op, f"{name}y", y, count, 0)
            if class_weight is not None:
                return target, border.class_weights(op, class_weight, target, self.output_dtypes[0])
            return target, self._weights(op, sample_weight, count, name)
        if class_weight is not None:
            raise ValueError(
                f"{op}: class_weight must be None for a model of several outputs; got "
                f"{type(class_weight).__name__}; use sample_weight"
            )
        trained = self.loss.trained
        alone = isinstance(y, list | tuple) and len(y) == len(trained) < len(structure.names)
        if alone:
            y = dict(zip((structure.names[k] for k in trained), y, strict=True))
        given = structure.parted(op, f"{name}y", y, missing=True)
        targets: list[Any] = [None] * len(given)
        for k in trained:
            label = structure.names[k]
            if given[k] is None:
                raise ValueError(f"{op}: {name}y must have {label!r}, which has a loss; got none")
            targets[k] = self._target(op, f"{name}y[{label!r}]", given[k], count, k)
        return tuple(targets), self._weights(op, sample_weight, count, name)

    def _weights(self, op: str, given: Any, count: int, name: str) -> Any:
        """Checked weights of samples, None for none, a tuple of several outputs: one array is that of each."""
        structure, argument = self.output_structure, f"{name}sample_weight"
        if given is None:
            return None
        if not structure.several:
            return self._weight(op, argument, structure.only(op, argument, given, 1), count, 0)
        numbers = isinstance(given, list) and all(isinstance(each, int | float) for each in given)
        if not isinstance(given, list | tuple | dict) or numbers:
            return (self._weight(op, argument, given, count, 0),) * len(structure.names)
        return tuple(
            None if own is None else self._weight(op, f"{argument}[{label!r}]", own, count, k)
            for k, (label, own) in enumerate(
                zip(structure.names, structure.parted(op, argument, given, missing=True), strict=True)
            )
        )

    def _target(self, op: str, name: str, y: Any, count: int, place: int) -> Array:
        """The checked targets of an output. They are checked on the host, where the metrics want them, too."""
        shape = self.output_shapes[place]
        assert shape is not None
        target = to_host(border.rectangular(op, name, input_array(op, name, y, self.device)))
        border.require_count(op, name, target, count)
        if self.output_structure.several:
            self.loss = self.loss.choose(place, shape, target.shape)
            loss = self.loss.losses[place]
        else:
            loss = self.loss = self.loss.choose(shape, target.shape)
        checked: Array = loss.prepare_targets(target, shape, self.output_dtypes[place], op=op, argument=name)
        return checked

    def _weight(self, op: str, name: str, value: Any, count: int, place: int) -> Array:
        given = input_array(op, name, value, self.device)
        given = to_host(given) if on_gpu(given) else given
        return border.per_sample(op, name, given, count, self.output_dtypes[place])


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
