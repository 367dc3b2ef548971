"""Model: a graph of layers, with branches and shared layers, drawn by calling layers on an Input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._names import unique_names
from .._serial import restored
from ..layers import Input, Layer
from ..layers.base import Shape
from ..layers.symbolic import Symbolic, connected
from ..training.network import NetworkPlan
from ..training.plan import Plan
from .base import BaseModel
from .network import name_inputs, name_layers, traced, warn_of_lost_masks
from .redrawing import made_layers, of_model, redrawn_tensors
from .structure import Structure


class Model(BaseModel):
    """A model that is drawn: its layers are what lies between the inputs and the outputs.

    A layer that is called twice has its weights once, and its gradient is the sum of both. A model that is called on a
    tensor gives its layers to the model that is drawn; names that nobody gave are then numbered anew.

    Several inputs are given to `fit`, `evaluate` and `predict` as they were drawn, in a list or in a dict; a list may
    come as a dict by the names of the inputs, too. So are the targets of several outputs, whose names are those of
    their layers, or the keys of the dict. `predict` gives a list or a dict likewise.

    Args:
        inputs: an `Input`, or a list or a dict of them.
        outputs: what layers gave: a tensor, or a list or a dict of them.
        name: for people.

    Raises:
        TypeError: inputs or outputs are no symbolic tensors.
        ValueError: outputs do not come from inputs, one is named twice, or two layers were given one name.

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
        >>> a, b = strop.Input((2,), name="a"), strop.Input((3,), name="b")
        >>> both = strop.layers.Concatenate()([a, b])
        >>> model = strop.Model([a, b], {"sum": Dense(1)(both), "kind": Dense(4, activation="softmax")(both)})
        >>> made = model.predict({"a": [[1.0, 2.0]], "b": [[1.0, 2.0, 3.0]]}, verbose=0)
        >>> {name: array.shape for name, array in made.items()}
        {'sum': (1, 1), 'kind': (1, 4)}
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__()
        self.name = name or "model"
        self.inputs = _tensors("inputs", inputs)
        self.outputs = _tensors("outputs", outputs)
        self._check_inputs()
        self.network = traced("Model", self.inputs, self.outputs)
        self.layers = self.network.layers
        name_layers("Model", self.layers)
        name_inputs(self.inputs)
        self.input_structure = _structure(inputs, self.inputs)
        self.output_structure = _structure(outputs, self.outputs)
        self._take_device()
        self._check_readers()
        warn_of_lost_masks(self.network.nodes(), stacklevel=3)

    def _check_inputs(self) -> None:
        """Refuse one input twice, and two with one name."""
        names = [t.given_name for t in self.inputs if isinstance(t, Input) and t.given_name is not None]
        for i, tensor in enumerate(self.inputs):
            if any(tensor is other for other in self.inputs[:i]):
                raise ValueError(f"Model: inputs must be different tensors; got {tensor.source!r} twice")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"Model: inputs must have names of their own; got {name!r} twice")

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
        """Note who reads each input; refuse one that a layer takes for ids and another for numbers."""
        found: dict[int, list[Layer]] = {id(tensor): [] for tensor in self.inputs}
        for call in self.network.calls:
            for source in call.inputs:
                readers = found.get(id(source))
                if readers is None or call.layer in readers:
                    continue
                readers.append(call.layer)
                if readers[0].reads_ids != call.layer.reads_ids:
                    raise ValueError(
                        f"Model: layers on {source.source!r} must all read ids, or all numbers; "
                        f"got {readers[0].op} {readers[0].name!r} and {call.layer.op} {call.layer.name!r}"
                    )
        self._readers = [found[id(tensor)] for tensor in self.inputs]

    # ---- what training asks ------------------------------------------------

    @property
    def input(self) -> Any:
        """The input, or a list or dict of several, as the model was drawn."""
        return self.input_structure.pack(_tuple_of(self.inputs))

    @property
    def output(self) -> Any:
        """The output, or a list or dict of several, as the model was drawn."""
        return self.output_structure.pack(_tuple_of(self.outputs))

    @property
    def built(self) -> bool:
        """Whether every layer has its weights: always, since layers are built when they are called."""
        return True

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Nothing: layers are built when they are called."""

    @property
    def input_shape(self) -> Any:
        """The shape of the input, with None for the batch axis, or a list or dict of several."""
        return self.input_structure.pack(_tuple_of(self.fed_shapes))

    @property
    def output_shape(self) -> Any:
        """The shape of the output, with None for the batch axis, or a list or dict of several."""
        return self.output_structure.pack(_tuple_of(self.output_shapes))

    @property
    def fed_shape(self) -> Shape:
        """The shape of the first input."""
        return self.inputs[0].shape

    @property
    def fed_shapes(self) -> list[Shape]:
        """The shapes of the inputs."""
        return [tensor.shape for tensor in self.inputs]

    @property
    def output_shapes(self) -> list[Shape]:
        """The shapes of the outputs."""
        return [tensor.shape for tensor in self.outputs]

    def readers(self, place: int) -> list[Layer]:
        """The layers that read an input, each once."""
        return self._readers[place]

    @property
    def last_layers(self) -> list[Layer]:
        """The layers that give the outputs."""
        return [tensor.call.layer for tensor in self.outputs if tensor.call is not None]

    @property
    def output_dtypes(self) -> list[np.dtype[Any]]:
        """The float types of the outputs."""
        return [layer.dtype for layer in self.last_layers]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type of the first output."""
        return self.last_layers[0].dtype

    def make_plan(self, loss: Any, factor: float = 1.0) -> Plan:
        """The step plan for a loss, times a factor: a chain where the graph is one."""
        chain = self.network.chain()
        if chain is not None:
            return Plan(chain, loss, factor=factor)
        slots = self.network.slots
        outputs = [slots[id(tensor)] for tensor in self.outputs]
        return NetworkPlan(self.layers, self.network.nodes(), loss, outputs=outputs, factor=factor)

    def drawn_on(self, x: Any) -> Any:
        """What the layers give of symbolic tensors, as the model was drawn."""
        given = _tensors("x", self._in_order(x))
        if len(given) != len(self.inputs):
            raise ValueError(f"{self.name}: x must be {len(self.inputs)} tensors; got {len(given)}")
        made = {id(old): new for old, new in zip(self.inputs, given, strict=True)}
        for call in self.network.calls:
            sources = [made[id(source)] for source in call.inputs]
            result = connected(call.layer, sources if call.listed else sources[0])
            made |= zip(map(id, call.outputs), result if isinstance(result, list) else [result], strict=True)
        return self.output_structure.pack(_tuple_of([made[id(tensor)] for tensor in self.outputs]))

    def _in_order(self, x: Any) -> Any:
        if not isinstance(x, Mapping):
            return x
        return self.input_structure.parted(self.name, "x", x)

    # ---- config ------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Inputs, layers and their calls, as `from_config` takes them; JSON's types alone.

        Tensors are numbered: the inputs, then what each call gives.
        """
        slots = self.network.slots
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
                {"layer": call.layer.name, "inputs": [slots[id(tensor)] for tensor in call.inputs]}
                for call in self.network.calls
            ],
            "outputs": [slots[id(tensor)] for tensor in self.outputs],
            "given": {
                "inputs": self.input_structure.described(),
                "outputs": self.output_structure.described(),
            },
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
        inputs, outputs, calls = redrawn_tensors(config, layers, op)
        model = cls(inputs, outputs, name=config["name"])
        if len(model.layers) != len(layers) or len(model.network.calls) != calls:
            raise ValueError(f"{op}: calls must all lead to the output; got some that do not")
        return model


def _tensors(argument: str, given: Any) -> list[Symbolic]:
    """The tensors of a list or a dict, or the one that is given."""
    if isinstance(given, Mapping):
        for name in given:
            if not isinstance(name, str):
                raise TypeError(f"Model: keys of {argument} must be texts; got {type(name).__name__}")
    many = list(given.values()) if isinstance(given, Mapping) else given
    tensors = list(many) if isinstance(many, list | tuple) else [many]
    if not tensors:
        raise ValueError(f"Model: {argument} must hold a tensor; got an empty {type(given).__name__}")
    for tensor in tensors:
        if not isinstance(tensor, Symbolic):
            raise TypeError(
                f"Model: {argument} must be symbolic tensors, as strop.Input gives and layers make of them; "
                f"got {type(tensor).__name__}"
            )
    return tensors


def _structure(given: Any, tensors: Sequence[Symbolic]) -> Structure:
    """How some tensors are given, and their names: the keys, or those of what gives them."""
    if isinstance(given, Mapping):
        return Structure("dict", list(given))
    kind = "list" if isinstance(given, list | tuple) else "one"
    return Structure(kind, unique_names(tensor.source for tensor in tensors))


def _tuple_of(values: Sequence[Any]) -> Any:
    """A tuple of several values, or the one there is."""
    return tuple(values) if len(values) > 1 else values[0]
