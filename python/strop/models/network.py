"""The graph that a model is drawn as: calls in topological order, layers in Keras' order, names, masks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._names import snake_case
from ..layers import Input, Layer
from ..layers.symbolic import Call, Symbolic
from ..training.network import Node


@dataclass
class Network:
    """What lies between the inputs and the outputs of a model."""

    inputs: list[Symbolic]
    outputs: list[Symbolic]
    #: In topological order.
    calls: list[Call]
    #: Each layer once: the one with the longest way to an output first, as Keras lists them.
    layers: list[Layer]

    @property
    def tensors(self) -> list[Symbolic]:
        """The inputs, then what each call gives."""
        return [*self.inputs, *(tensor for call in self.calls for tensor in call.outputs)]

    @property
    def slots(self) -> dict[int, int]:
        """The numbers of the tensors by their ids."""
        return {id(tensor): slot for slot, tensor in enumerate(self.tensors)}

    def nodes(self) -> list[Node]:
        """The calls with numbered tensors."""
        slots = self.slots
        return [
            Node(
                call.layer,
                tuple(slots[id(t)] for t in call.inputs),
                tuple(slots[id(t)] for t in call.outputs),
            )
            for call in self.calls
        ]

    def chain(self) -> list[Layer] | None:
        """The layers in order, if each is called once, on what the one before gives; else None."""
        nodes = self.nodes()
        straight = len(self.inputs) == len(self.outputs) == 1 and len(nodes) == len(self.layers)
        straight = (
            straight
            and self.outputs[0] is self.tensors[-1]
            and all(
                node.sources == (i,) and node.slots == (i + 1,) and not node.layer.takes_list
                for i, node in enumerate(nodes)
            )
        )
        return [node.layer for node in nodes] if straight else None


def traced(op: str, inputs: Sequence[Symbolic], outputs: Sequence[Symbolic]) -> Network:
    """The network between some tensors and some outputs.

    Raises:
        ValueError: an output comes from another `Input`, too, or an input leads to none.
    """
    given = {id(tensor) for tensor in inputs}
    if any(id(output) in given for output in outputs):
        raise ValueError(f"{op}: outputs must come from a layer; got an input itself")
    met: dict[int, int] = {}
    done: dict[int, Call] = {}
    used: set[int] = set()
    stack: list[tuple[Call, Iterator[Symbolic]]] = []

    def enter(tensor: Symbolic) -> None:
        call = tensor.call
        if call is None:
            raise ValueError(
                f"{op}: inputs must hold every Input that outputs come from; got them without {tensor.source!r}"
            )
        if id(call) not in done:
            met.setdefault(id(call.layer), len(met))
            stack.append((call, iter(call.inputs)))

    for output in outputs:
        enter(output)
        while stack:  # no recursion: a model may be ten thousand layers deep
            call, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                done[id(call)] = call
            elif id(following) in given:
                used.add(id(following))
            else:
                enter(following)
    for tensor in inputs:
        if id(tensor) not in used:
            raise ValueError(f"{op}: inputs must lead to outputs; got {tensor.source!r}, which does not")
    calls = list(done.values())
    return Network(list(inputs), list(outputs), calls, _by_depth(calls, met))


def _by_depth(calls: Sequence[Call], met: dict[int, int]) -> list[Layer]:
    """The layers by the longest way to an output, then in the order in which a walk from the outputs meets them."""
    depth: dict[int, int] = {}
    depth_of_layer: dict[int, int] = {}
    layers: dict[int, Layer] = {}
    for call in reversed(calls):
        own = max(depth.get(id(call), 0), depth_of_layer.get(id(call.layer), 0))
        depth_of_layer[id(call.layer)], layers[id(call.layer)] = own, call.layer
        for source in call.inputs:
            depth[id(source.call)] = max(depth.get(id(source.call), 0), own + 1)
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
        come = [sources.get(slot) for slot in node.sources]
        found = mask_behind(node.layer, come if node.layer.takes_list else come[:1], stacklevel + 1)
        masked = getattr(node.layer, "sequence_outputs", len(node.slots))
        sources |= dict.fromkeys(node.slots[:masked], found)


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
