"""The graph that a model is drawn as: calls in topological order, layers in Keras' order, names, masks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._names import snake_case
from ..layers import Input, Layer
from ..layers.symbolic import Symbolic
from ..training.network import Node


@dataclass
class Network:
    """What lies between the inputs and the output of a model."""

    inputs: list[Symbolic]
    #: What the calls give, in topological order; the last is the output.
    tensors: list[Symbolic]
    #: Each layer once: the one with the longest way to the output first, as Keras lists them.
    layers: list[Layer]

    def nodes(self) -> list[Node]:
        """The calls with numbered tensors: the inputs, then what each call gives."""
        slots = {id(tensor): slot for slot, tensor in enumerate([*self.inputs, *self.tensors])}
        return [
            Node(call.layer, tuple(slots[id(t)] for t in call.inputs), slots[id(tensor)])
            for tensor in self.tensors
            if (call := tensor.call) is not None
        ]

    def chain(self) -> list[Layer] | None:
        """The layers in order, if each is called once, on what the one before gives; else None."""
        nodes = self.nodes()
        straight = len(self.inputs) == 1 and len(nodes) == len(self.layers)
        straight = straight and all(
            node.sources == (i,) and not node.layer.takes_list for i, node in enumerate(nodes)
        )
        return [node.layer for node in nodes] if straight else None


def traced(op: str, inputs: Sequence[Symbolic], output: Symbolic) -> Network:
    """The network between some tensors and an output.

    Raises:
        ValueError: the output comes from another `Input`, too, or not from all the inputs.
    """
    given = {id(tensor) for tensor in inputs}
    if id(output) in given:
        raise ValueError(f"{op}: outputs must come from a layer; got an input itself")
    met: dict[int, int] = {}
    done: dict[int, Symbolic] = {}
    used: set[int] = set()
    stack: list[tuple[Symbolic, Iterator[Symbolic]]] = []

    def enter(tensor: Symbolic) -> None:
        if tensor.call is None:
            raise ValueError(
                f"{op}: inputs must hold every Input that outputs come from; got them without {tensor.source!r}"
            )
        met.setdefault(id(tensor.call.layer), len(met))
        stack.append((tensor, iter(tensor.call.inputs)))

    enter(output)
    while stack:  # no recursion: a model may be ten thousand layers deep
        tensor, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            stack.pop()
            done[id(tensor)] = tensor
        elif id(following) in given:
            used.add(id(following))
        elif id(following) not in done:
            enter(following)
    for tensor in inputs:
        if id(tensor) not in used:
            raise ValueError(f"{op}: inputs must lead to outputs; got {tensor.source!r}, which does not")
    tensors = list(done.values())
    return Network(list(inputs), tensors, _by_depth(tensors, met))


def _by_depth(tensors: Sequence[Symbolic], met: dict[int, int]) -> list[Layer]:
    """The layers by the longest way to the output, then in the order in which a walk from the output meets them."""
    depth: dict[int, int] = {}
    depth_of_layer: dict[int, int] = {}
    layers: dict[int, Layer] = {}
    for tensor in reversed(tensors):
        call = tensor.call
        assert call is not None
        own = max(depth.get(id(tensor), 0), depth_of_layer.get(id(call.layer), 0))
        depth_of_layer[id(call.layer)], layers[id(call.layer)] = own, call.layer
        for source in call.inputs:
            depth[id(source)] = max(depth.get(id(source), 0), own + 1)
    return sorted(layers.values(), key=lambda layer: (-depth_of_layer[id(layer)], met[id(layer)]))


def name_layers(op: str, layers: Iterable[Any], taken: Iterable[str] = ()) -> None:
    """Give each layer a name of its own: dense, dense_1, ...

    Names that users gave stay, those from a model before where they are free, and the others are numbered.

    Raises:
        ValueError: two layers were given one name.
    """
    names = set(taken)
    rest = []
    for layer in layers:
        if layer.given_name is None:
            rest.append(layer)
        elif layer.name in names:
            raise ValueError(f"{op}: layer names must be unique; got {layer.given_name!r} twice")
        else:
            names.add(layer.name)
    counts: dict[str, int] = {}
    for layer in sorted(rest, key=lambda layer: not layer.in_model):
        base, name = snake_case(layer.op), layer.name
        while name in names:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}_{counts[base]}"
        names.add(name)
        if name != layer.name:
            layer.rename(name)
        layer.in_model = True


def name_inputs(inputs: Sequence[Symbolic]) -> None:
    """Give each input a name of its own: input, input_1, ..."""
    names = {t.given_name for t in inputs if isinstance(t, Input)}
    for tensor in inputs:
        if isinstance(tensor, Input) and tensor.given_name is None:
            name, count = "input", 0
            while name in names:
                count += 1
                name = f"input_{count}"
            names.add(name)
            tensor.name = name


def warn_of_lost_masks(nodes: Iterable[Node], stacklevel: int) -> None:
    """Say where a mask comes to a layer that can neither use it nor pass it on."""
    sources: dict[int, Layer | None] = {}
    for node in nodes:
        sources[node.slot] = mask_behind(
            node.layer, [sources.get(slot) for slot in node.sources], stacklevel + 1
        )


def mask_behind(layer: Layer, come: Sequence[Layer | None], stacklevel: int | None) -> Layer | None:
    """The layer at which the mask of a layer's output began, or None; a mask that is lost gives a warning.

    Args:
        layer: what the masks come to.
        come: of each input the layer at which its mask began, or None.
        stacklevel: of the warning; None gives none.
    """
    found = next((source for source in come if source is not None), None)
    if layer.starts_mask:
        return layer
    if found is None or layer.keeps_mask([source is not None for source in come]):
        return found
    if not layer.uses_mask and stacklevel is not None:
        why = "whose other inputs have none" if layer.takes_list else "which cannot use it"
        warnings.warn(
            f"build: the mask of {found.name!r} ends at {layer.op} {layer.name!r}, {why}",
            UserWarning,
            stacklevel=stacklevel,
        )
    return None
