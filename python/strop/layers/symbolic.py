"""Tensors of which only the shape is known: what layers are called on to draw a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


def is_symbolic(x: Any) -> bool:
    """Whether a layer is called on a symbolic tensor, or on a list that holds one."""
    return isinstance(x, Symbolic) or (
        isinstance(x, list | tuple) and any(isinstance(item, Symbolic) for item in x)
    )


def connected(layer: Layer, x: Any) -> Symbolic:
    """The tensor that a layer gives of symbolic ones; the layer is built by their shapes.

    Raises:
        TypeError: the list holds other things, too.
        ValueError: the shapes do not fit the layer, it takes one tensor and was given several, or gives several.
    """
    listed = isinstance(x, list | tuple)
    inputs: tuple[Any, ...] = tuple(x) if listed else (x,)
    for item in inputs:
        if not isinstance(item, Symbolic):
            raise TypeError(
                f"{layer.op} {layer.name!r}: inputs must all be symbolic tensors; got {type(item).__name__}"
            )
    sources = [item.source for item in inputs]
    if layer.takes_list:
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
    return Symbolic(layer.build_from(shape, sources), Call(layer, inputs))


def misfit(layer: Layer, problem: str, shape: Any, sources: Sequence[str]) -> str:
    """What a layer's build refuses, with the layer's name and where its inputs come from."""
    whose = f"{layer.op} {layer.name!r}: "
    text = problem if problem.startswith(whose) else whose + problem.removeprefix(f"{layer.op}: ")
    shapes = " and ".join(map(str, shape)) if isinstance(shape, list) else str(shape)
    if not sources:
        return text
    come = f" from {' and '.join(map(repr, sources))}"
    return text + (come if text.endswith(shapes) else f"; got shape {shapes}{come}")
