"""A layer's weights: live arrays on the host or a GPU, read and set by copies on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import on_gpu
from .._device import Device, device_of, memory_for, to_device, to_host
from .._memory import aligned_zeros

Array = NDArray[Any]


class Variable:
    """One weight of a layer.

    Args:
        name: `kernel`, `bias`, ...
        value: the array; kept by reference and updated in place.
        trainable: whether the optimizer moves it.
        regularizer: a penalty on it, or None.
        constraint: what is done to it after each update, or None.
        sparse_rows: True for a table of which a batch reads some rows.
    """

    def __init__(
        self,
        name: str,
        value: Array,
        *,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        sparse_rows: bool = False,
    ) -> None:
        self.name, self.path = name, name
        self._value = value
        self.trainable, self.regularizer, self.constraint = trainable, regularizer, constraint
        self.sparse_rows = sparse_rows
        #: The deferred table that an optimizer has put in charge of the rows, or None.
        self.deferred: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array."""
        return self._value.dtype

    @property
    def value(self) -> Array:
        """The array to read. Rows that are behind are caught up in a copy, so that reading changes nothing."""
        table = self.deferred
        if table is None or not table.outstanding:
            return self._value
        result: Array = table.read()
        return result

    def numpy(self) -> Array:
        """A copy of the array on the host, caught up."""
        value = self.value
        return to_host(value) if on_gpu(value) else np.array(value)

    def assign(self, value: Array) -> None:
        """Overwrite the array in place with one of the host; its shape has been checked."""
        if self.deferred is not None:
            self.deferred.flush()
        if on_gpu(self._value):
            self._value.set(np.ascontiguousarray(value, self.dtype))  # type: ignore[attr-defined]
        else:
            self._value[...] = value

    def __getstate__(self) -> dict[str, Any]:
        """Of a copy the rows are up to date; its optimizer puts a table of its own in charge of them."""
        if self.deferred is not None:
            self.deferred.flush()
        return {**vars(self), "deferred": None}

    def __repr__(self) -> str:
        return f"Variable({self.path!r}, shape {self.shape}, {self.dtype})"


def placed(op: str, path: str, first: Array, where: Device) -> Array:
    """A variable's first value on a device."""
    with memory_for(op, path, [first], where):
        if where.is_gpu:
            return to_device(first, where)
    value = aligned_zeros(first)
    value[...] = first
    return value


def _on(array: Array, where: Device) -> Array:
    """A variable's array on a device: itself if it is there."""
    return array if device_of(array) == where else placed("to", "", to_host(array), where)


def check_weights(op: str, variables: list[Variable], weights: list[Any]) -> None:
    """Refuse weights that do not fit the variables, before any is written."""
    if len(weights) != len(variables):
        raise ValueError(f"{op}: weights must be {len(variables)} arrays; got {len(weights)}")
    for variable, weight in zip(variables, weights, strict=True):
        if on_gpu(weight):
            raise TypeError(
                f"{op}: {variable.path} must be a numpy array; got a cupy array; move it with .get()"
            )
        shape = np.shape(weight)
        if shape != variable.shape:
            raise ValueError(f"{op}: {variable.path} must have shape {variable.shape}; got {shape}")
        kind = np.asarray(weight).dtype.kind
        if kind not in "fiub":
            raise TypeError(f"{op}: {variable.path} must be numbers; got {np.asarray(weight).dtype}")


def move_layers(op: str, what: str, layers: Sequence[Any], where: Device, optimizer: Any = None) -> None:
    """Move the variables of layers, and the state of their optimizer, to a device: all of them or none."""
    variables = [v for layer in layers for v in layer.variables]
    if optimizer is not None:
        optimizer.flush()
    with memory_for(op, what, [v._value for v in variables], where), where.current():
        moved = {id(v._value): _on(v._value, where) for v in variables}
        if optimizer is not None:
            _move_optimizer(optimizer, moved, where)
    for variable in variables:
        variable._value = moved[id(variable._value)]
    for layer in layers:
        layer.device = where


def _move_optimizer(optimizer: Any, moved: dict[int, Array], where: Device) -> None:
    """Move an optimizer's state; where memory runs out on the way it goes back to the very arrays it had."""
    made, before = dict(moved), dict[int, Array]()

    def convert(array: Array) -> Array:
        if id(array) not in made:
            made[id(array)] = _on(array, where)
        before[id(made[id(array)])] = array
        return made[id(array)]

    held = optimizer._arrays
    try:
        optimizer.move(convert)
    except MemoryError:
        if optimizer._arrays is not held:
            optimizer.move(lambda array: before[id(array)])
        raise
