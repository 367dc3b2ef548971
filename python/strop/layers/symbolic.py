"""Tensors of which only the shape is known: what layers are called on to draw a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .base import Layer

Shape = tuple[int | None, ...]


class Symbolic:
    """A tensor that a model will compute: `strop.Input`, or what a layer gives when it is called on one.

    Args:
        shape: with the batch axis, which is None.
        call: the call of a layer that gives it; None for an input.
    """

    def __init__(self, shape: Shape, call: Call | None = None) -> None:
        self.shape, self.call = shape, call

    @property
    def source(self) -> str:
        """The name of what gives it."""
        assert self.call is not None
        return self.call.layer.name

    def __repr__(self) -> str:
        return f"<symbolic tensor of shape {self.shape} from {self.source!r}>"

    def __array__(self, *args: Any, **settings: Any) -> Any:
        raise TypeError(
            f"numpy: array must hold numbers; got a symbolic tensor of shape {self.shape}; "
            "call a layer on it, and the model on an array"
        )


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer."""

    layer: Layer
    inputs: tuple[Symbolic, ...]
    #: Whether the inputs came as a list.
    listed: bool
    #: What it gives: one tensor, or several.
    outputs: list[Symbolic] = field(default_factory=list)

    @property
    def given(self) -> Any:
        """The inputs as they came."""
        return list(self.inputs) if self.listed else self.inputs[0]

    @property
    def result(self) -> Any:
        """The output, or a list of several."""
        return self.outputs[0] if len(self.outputs) == 1 else list(self.outputs)


def is_symbolic(x: Any) -> bool:
    """Whether a layer is called on a symbolic tensor, or on a list or dict that holds one."""
    items = x.values() if isinstance(x, Mapping) else x if isinstance(x, list | tuple) else [x]
    return any(isinstance(item, Symbolic) for item in items)


def connected(layer: Layer, x: Any) -> Any:
    """The tensor that a layer gives of symbolic ones, or a list of several; the layer is built by their shapes.

    The first call of a layer is the one that its `input` and `output` are of.

    Raises:
        TypeError: the list holds other things, too.
        ValueError: the shapes do not fit the layer, or it takes one tensor and was given several.
    """
    listed = isinstance(x, list | tuple)
    inputs: tuple[Any, ...] = tuple(x) if listed else (x,)
    for item in inputs:
        if not isinstance(item, Symbolic):
            raise TypeError(
                f"{layer.op} {layer.name!r}: inputs must all be symbolic tensors; got {type(item).__name__}"
            )
    sources = [item.source for item in inputs]
    if layer.takes_list or (layer.takes_states and len(inputs) > 1):
        shape: Any = [item.shape for item in inputs] if listed else inputs[0].shape
    elif len(inputs) == 1:
        shape = inputs[0].shape
    else:
        raise ValueError(
            f"{layer.op} {layer.name!r}: inputs must be one tensor; got {len(inputs)} from "
            f"{' and '.join(map(repr, sources))}"
        )
    if layer.reads_ids and inputs[0].call is not None:
        raise ValueError(
            f"{layer.op} {layer.name!r}: ids must come from outside; got the output of {sources[0]!r}"
        )
    call = Call(layer, inputs, listed)
    made = layer.build_from(shape, sources)
    call.outputs.extend(Symbolic(each, call) for each in (made if isinstance(made, list) else [made]))
    if layer.first_call is None:
        layer.first_call = call
    return call.result


class OfFirstCall:
    """An attribute of a layer: what it was first called on, or what it gave; a layer may have one of its own instead.

    Args:
        name: `"input"` or `"output"`.

    Raises:
        ValueError: the layer was called on no symbolic tensor.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, layer: Layer | None, owner: type) -> Any:
        if layer is None:
            return self
        call = layer.first_call
        if call is None:
            raise ValueError(
                f"{layer.op} {layer.name!r}: {self._name} must be that of a layer in a model; "
                "got one that was called on no symbolic tensor"
            )
        return call.given if self._name == "input" else call.result


def misfit(layer: Layer, problem: str, shape: Any, sources: Sequence[str]) -> str:
    """What a layer's build refuses, with the layer's name and where its inputs come from."""
    whose = f"{layer.op} {layer.name!r}: "
    text = problem if problem.startswith(whose) else whose + problem.removeprefix(f"{layer.op}: ")
    shapes = " and ".join(map(str, shape)) if isinstance(shape, list) else str(shape)
    if not sources:
        return text
    come = f" from {' and '.join(map(repr, sources))}"
    return text + (come if text.endswith(shapes) else f"; got shape {shapes}{come}")


def sample_shape(op: str, name: str, shape: Any) -> Shape:
    """The shape of one sample, with the axis of the batch before it.

    Raises:
        TypeError: it is no tuple of sizes.
        ValueError: a size is negative.

    Example:
        >>> sample_shape("Input", "shape", (3, None))
        (None, 3, None)
    """
    if isinstance(shape, int | np.integer):
        raise TypeError(f"{op}: {name} must be a tuple; got {shape}; write ({shape},)")
    if not isinstance(shape, tuple | list):
        raise TypeError(f"{op}: {name} must be a tuple; got {type(shape).__name__}")
    return (None, *(None if n is None else whole_number(op, f"sizes of {name}", n, 0) for n in shape))


def whole_number(op: str, name: str, value: Any, least: int = 1) -> int:
    """The value as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{op}: {name} must be an int; got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{op}: {name} must be {least} or more; got {value}")
    return int(value)
