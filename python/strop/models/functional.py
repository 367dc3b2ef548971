"""Model: a graph of layers, with branches and shared layers, drawn by calling layers on an Input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import layers as layer_module
from .._names import nearest
from .._serial import restored
from ..layers import Input, Layer
from ..layers.base import Shape
from ..layers.symbolic import Symbolic, connected
from ..training.network import NetworkPlan
from ..training.plan import Plan
from .base import BaseModel
from .network import name_inputs, name_layers, traced, warn_of_lost_masks

#: Inputs of all calls that a config may name.
MAX_READERS = 100_000


class Model(BaseModel):
    """A model that is drawn: its layers are what lies between the inputs and the output.

    A layer that is called twice has its weights once, and its gradient is the sum of both. A model that is called on a
    tensor gives its layers to the model that is drawn; names that nobody gave are then numbered anew.

    Args:
        inputs: an `Input`, or a list with one.
        outputs: what a layer gave; only one.
        name: for people.

    Raises:
        TypeError: inputs or outputs are no symbolic tensors.
        ValueError: outputs do not come from inputs, there are several, or two layers were given one name.

    Example:
        >>> import strop
        >>> from strop.layers import Add, Dense
        >>> x = strop.Input((3,))
        >>> h = Dense(3, activation="relu")(x)
        >>> model = strop.Model(x, Dense(1)(Add()([x, h])))
        >>> model.count_params()
        16
        >>> model.predict([[1.0, 2.0, 3.0]], verbose=0).shape
        (1, 1)
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__()
        self.name = name or "model"
        self.inputs = _tensors("inputs", inputs)
        self.outputs = _tensors("outputs", outputs)
        for argument, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            if len(tensors) != 1:
                raise ValueError(f"Model: {argument} must be one tensor; got {len(tensors)}")
        self.network = traced("Model", self.inputs, self.outputs[0])
        self.layers = self.network.layers
        name_layers("Model", self.layers)
        name_inputs(self.inputs)
        self._take_device()
        self._check_readers()
        warn_of_lost_masks(self.network.nodes(), stacklevel=3)

    def _take_device(self) -> None:
        """The device of the layers, which must all be on one."""
        first = self.layers[0]
        for layer in self.layers:
            if layer.device != first.device:
                raise ValueError(
                    f"Model: layers must be on one device; got {first.name!r} on {first.device} and "
                    f"{layer.name!r} on {layer.device}; make them all under one strop.device"
                )
        self.device = first.device

    def _check_readers(self) -> None:
        """Refuse an input that one layer takes for ids and another for numbers."""
        given = {id(tensor): tensor for tensor in self.inputs}
        first: dict[int, Layer] = {}
        for tensor in self.network.tensors:
            call = tensor.call
            assert call is not None
            for source in call.inputs:
                other = first.setdefault(id(source), call.layer)
                if id(source) in given and other.reads_ids != call.layer.reads_ids:
                    raise ValueError(
                        f"Model: layers on {source.source!r} must all read ids, or all numbers; "
                        f"got {other.op} {other.name!r} and {call.layer.op} {call.layer.name!r}"
                    )

    # ---- what training asks ------------------------------------------------

    @property
    def input(self) -> Symbolic:
        """The input."""
        return self.inputs[0]

    @property
    def output(self) -> Symbolic:
        """The output."""
        return self.outputs[0]

    @property
    def built(self) -> bool:
        """Whether every layer has its weights: always, since layers are built when they are called."""
        return True

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Nothing: layers are built when they are called."""

    @property
    def input_shape(self) -> Shape:
        """The shape of the input, with None for the batch axis."""
        return self.input.shape

    @property
    def fed_shape(self) -> Shape:
        """The shape of the input."""
        return self.input.shape

    @property
    def output_shape(self) -> Shape:
        """The shape of the output, with None for the batch axis."""
        return self.output.shape

    @property
    def last_layer(self) -> Layer:
        """The layer that gives the output."""
        assert self.output.call is not None
        return self.output.call.layer

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type of the output."""
        return self.last_layer.dtype

    def make_plan(self, loss: Any) -> Plan:
        """The step plan for a loss: a chain where the graph is one."""
        chain = self.network.chain()
        return NetworkPlan(self.layers, self.network.nodes(), loss) if chain is None else Plan(chain, loss)

    def drawn_on(self, x: Any) -> Symbolic:
        """What the layers give of a symbolic tensor."""
        given = _tensors("x", x)
        if len(given) != len(self.inputs):
            raise ValueError(f"{self.name}: x must be {len(self.inputs)} tensors; got {len(given)}")
        made = {id(old): new for old, new in zip(self.inputs, given, strict=True)}
        for tensor in self.network.tensors:
            call = tensor.call
            assert call is not None
            sources = [made[id(source)] for source in call.inputs]
            made[id(tensor)] = connected(call.layer, sources)
        result: Symbolic = made[id(self.output)]
        return result

    # ---- config ------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Inputs, layers and their calls, as `from_config` takes them; JSON's types alone.

        Tensors are numbered: the inputs, then what each call gives; the last is the output.
        """
        return {
            "name": self.name,
            "inputs": [
                {
                    "name": tensor.source,
                    "shape": list(tensor.shape[1:]),
                    "dtype": getattr(tensor, "dtype", None),
                }
                for tensor in self.inputs
            ],
            "layers": [{"class": layer.op, "config": layer.get_config()} for layer in self.layers],
            "calls": [
                {"layer": node.layer.name, "inputs": list(node.sources)} for node in self.network.nodes()
            ],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Model:
        """The model that `get_config` described, with new weights.

        Raises:
            TypeError: the config is no dict.
            ValueError: it is not that of a model.
        """
        custom = dict(custom_objects or {})
        with of_model("from_config", config):
            config = restored(config, custom, "from_config")
            return cls.redrawn(config, made_layers("from_config", config, custom), "from_config")

    @classmethod
    def redrawn(cls, config: Mapping[str, Any], layers: Sequence[Layer], op: str) -> Model:
        """The model of a config whose layers have been made.

        Raises:
            ValueError: the config names a tensor before it is made, or a layer that is not there or never called.
        """
        tensors: list[Symbolic] = [_input(op, entry) for entry in _listed(op, "inputs", config["inputs"])]
        inputs = list(tensors)
        by_name = {layer.name: layer for layer in layers}
        calls = _listed(op, "calls", config["calls"])
        if sum(len(call["inputs"]) for call in calls) > MAX_READERS:
            raise ValueError(f"{op}: calls must have at most {MAX_READERS} inputs in all; got more")
        for call in calls:
            name, sources = call["layer"], _listed(op, "inputs of a call", call["inputs"])
            if not isinstance(name, str) or name not in by_name:
                raise ValueError(f"{op}: calls must name layers of the model; got {name!r}")
            if not sources or not all(type(k) is int and 0 <= k < len(tensors) for k in sources):
                raise ValueError(
                    f"{op}: inputs of {name!r} must be tensors in [0, {len(tensors)}); got {str(sources)[:60]}"
                )
            chosen = [tensors[k] for k in sources]
            layer = by_name[name]
            tensors.append(connected(layer, chosen))
        model = cls(inputs, tensors[-1], name=config["name"])
        if len(model.layers) != len(layers) or len(model.network.tensors) != len(tensors) - len(inputs):
            raise ValueError(f"{op}: calls must all lead to the output; got some that do not")
        return model


@contextmanager
def of_model(op: str, config: Any) -> Iterator[None]:
    """Says of a config what it lacks.

    Raises:
        TypeError: it is no dict.
        ValueError: an entry is missing while it is read.
    """
    if not isinstance(config, Mapping):
        raise TypeError(f"{op}: config must be a dict; got {type(config).__name__}")
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{op}: config must be what get_config gives; got one without {error}") from error


def made_layers(op: str, config: Mapping[str, Any], custom: Mapping[str, Any]) -> list[Layer]:
    """The layers of a config, without weights.

    Raises:
        ValueError: a class is unknown.
    """
    known: dict[str, Any] = {**layer_module.registry, **custom}
    entries = _listed(op, "layers", config["layers"])
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("config", {}), dict):
            raise ValueError(f"{op}: layers must be dicts of class and config; got {str(entry)[:60]}")
    unknown = sorted({str(entry["class"]) for entry in entries} - set(known))
    if unknown:
        raise ValueError(
            f"{op}: layer classes must be known or in custom_objects; "
            f"got {', '.join(map(repr, unknown[:10]))}{nearest(unknown[0], known)}"
        )
    return [known[entry["class"]].from_config(entry["config"]) for entry in entries]


def _tensors(argument: str, given: Any) -> list[Symbolic]:
    tensors = list(given) if isinstance(given, list | tuple) else [given]
    for tensor in tensors:
        if not isinstance(tensor, Symbolic):
            raise TypeError(
                f"Model: {argument} must be symbolic tensors, as strop.Input gives and layers make of them; "
                f"got {type(tensor).__name__}"
            )
    return tensors


def _listed(op: str, name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{op}: {name} must be a list; got {type(value).__name__}")
    return value


def _input(op: str, entry: Any) -> Input:
    shape = _listed(op, "shape of an input", entry["shape"])
    if not all(n is None or (type(n) is int and n >= 0) for n in shape):
        raise ValueError(f"{op}: shape of an input must be a list of sizes; got {str(shape)[:60]}")
    return Input(tuple(shape), dtype=entry["dtype"], name=entry["name"])
