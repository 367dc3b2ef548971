"""Sequential: a chain of layers that is compiled, fitted, evaluated and saved as in Keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._serial import restored
from ..layers import Input, Layer
from ..layers.base import Shape
from ..layers.symbolic import Call, Symbolic, connected
from ..training.plan import Plan
from .base import BaseModel
from .network import mask_behind, name_layers
from .redrawing import made_layers, of_model

Array = NDArray[Any]


class Sequential(BaseModel):
    """A model that is a chain of layers.

    Args:
        layers: the layers, first to last; the first entry may be an `Input`.
        name: for people.

    Raises:
        TypeError: an entry is no layer.
        ValueError: two layers were given one name, or a layer does not fit the one before.

    Example:
        >>> import strop
        >>> from strop.layers import Dense
        >>> model = strop.Sequential([strop.Input((3,)), Dense(4, activation="relu"), Dense(1)])
        >>> model.count_params()
        21
        >>> model.predict([[1.0, 2.0, 3.0]], verbose=0).shape
        (1, 1)
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None) -> None:
        super().__init__()
        self.name = name or "sequential"
        self.layers: list[Layer] = []
        self.build_input_shape: Shape | None = None
        #: The input, then what each layer gives, as far as the shape is known.
        self._drawn: list[Symbolic] = []
        #: The layer at which the mask of the output began.
        self._masked: Layer | None = None
        for layer in layers or []:
            self.add(layer)

    # ---- the chain ---------------------------------------------------------

    def add(self, layer: Any) -> None:
        """Append a layer; it is built at once where the shape of its input is known."""
        if isinstance(layer, Input):
            if self.layers:
                raise ValueError("add: Input must be the first entry of a model; got it after a layer")
            self.build_input_shape = layer.shape
            self._drawn = [layer]
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"add: layer must be a Layer; got {type(layer).__name__}")
        if any(layer is other for other in self.layers):
            raise ValueError(f"add: layer must not be in the model yet; got {layer.name!r} twice")
        self._take_device(layer)
        name_layers("add", [layer], (other.name for other in self.layers))
        if not self.layers and self.build_input_shape is None:
            self.build_input_shape = layer.input_shape
        if not self.layers and not self._drawn and self.build_input_shape is not None:
            self._drawn = [_entry(self.build_input_shape)]
        self._plan = None
        if self._drawn and len(self._drawn) == len(self.layers) + 1:
            self._drawn.append(self._connect(layer))
            self._masked = mask_behind(layer, [self._masked], stacklevel=4)
        self.layers.append(layer)

    @property
    def fed_shape(self) -> Shape | None:
        """The shape of what the first layer reads in this model: a layer may have been built for another length."""
        return self.build_input_shape or super().fed_shape

    def _take_device(self, layer: Layer) -> None:
        """A layer without weights comes to the model's device; one that lives elsewhere is refused."""
        if layer.device == self.device or not (layer.built or layer.device.is_gpu):
            layer.device = self.device
            return
        raise ValueError(
            f"add: layer must be on {self.device} like the model; got {layer.name!r} on {layer.device}; "
            f"move it with to({str(self.device)!r}), or make both under one strop.device"
        )

    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        if not self.layers:
            raise ValueError("pop: model must have a layer; got an empty one")
        if len(self._drawn) == len(self.layers) + 1:
            self._drawn.pop()
        layer = self.layers.pop()
        self._plan = None
        self._masked = self._mask(None)
        return layer

    def _connect(self, layer: Layer) -> Symbolic:
        """Build a layer behind what has been drawn; what it gives."""
        tensor = self._drawn[-1]
        inside = tensor.call is not None
        if layer.reads_ids and inside:
            raise ValueError(
                f"{layer.op} {layer.name!r}: ids must come from outside; got the output of {tensor.source!r}"
            )
        shape = layer.build_from(tensor.shape, [tensor.source] if inside else [])
        if isinstance(shape, list):  # return_state, or Bidirectional with merge_mode=None
            raise ValueError(
                f"{layer.op} {layer.name!r}: outputs must be one tensor within a Sequential; got {len(shape)}; "
                "draw a Model for the others"
            )
        call = Call(layer, (tensor,), False)
        call.outputs.append(Symbolic(shape, call))
        if layer.first_call is None:
            layer.first_call = call
        return call.outputs[0]

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Make all weights.

        Args:
            input_shape: with the batch axis, which is None; not needed where the first layer knows it.

        Raises:
            ValueError: the shape is not known, or a layer does not fit the one before.
        """
        if not self.layers:
            raise ValueError("build: model must have a layer; got an empty one")
        shape = tuple(input_shape) if input_shape is not None else self.build_input_shape
        if shape is None:
            raise ValueError("build: input_shape must be known; give it, or start the model with an Input")
        known = self.built
        for layer in self.layers:
            if layer.first_call is not None and any(layer.first_call.outputs[0] is t for t in self._drawn):
                layer.first_call = None  # it was ours
        begun = self._drawn[0] if self._drawn and self._drawn[0].shape == shape else _entry(shape)
        self._drawn = [begun]
        for layer in self.layers:
            self._drawn.append(self._connect(layer))
        self.build_input_shape = shape
        self._masked = self._mask(None if known else 5)

    def _mask(self, stacklevel: int | None) -> Layer | None:
        """The layer at which the mask of the output began; one that is lost on the way gives a warning."""
        found: Layer | None = None
        for layer in self.layers:
            found = mask_behind(layer, [found], stacklevel)
        return found

    @property
    def built(self) -> bool:
        """Whether every layer has its weights."""
        return bool(self.layers) and all(layer.built for layer in self.layers)

    @property
    def output_shape(self) -> Shape | None:
        """The shape of the output, with None for the batch axis."""
        complete = len(self._drawn) == len(self.layers) + 1
        return self._drawn[-1].shape if complete and self.layers else None

    @property
    def inputs(self) -> list[Symbolic]:
        """The input, in a list: what a `Model` of some of the layers is drawn from.

        Raises:
            ValueError: the model is not built.

        Example:
            >>> import strop
            >>> from strop.layers import Dense
            >>> model = strop.Sequential([strop.Input((3,)), Dense(4), Dense(1)])
            >>> strop.Model(model.inputs, model.layers[0].output).output_shape
            (None, 4)
        """
        if not self.built:
            raise ValueError("inputs: model must be built; call build, or start the model with an Input")
        return self._drawn[:1]

    @property
    def outputs(self) -> list[Symbolic]:
        """The output, in a list.

        Raises:
            ValueError: the model is not built.
        """
        if not self.built:
            raise ValueError("outputs: model must be built; call build, or start the model with an Input")
        return self._drawn[-1:]

    @property
    def input(self) -> Symbolic:
        """The input."""
        return self.inputs[0]

    @property
    def output(self) -> Symbolic:
        """The output."""
        return self.outputs[0]

    @property
    def input_shape(self) -> Shape | None:
        """The shape of the input, with None for the batch axis."""
        return self.build_input_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type of the output."""
        return self.layers[-1].dtype

    def make_plan(self, loss: Any, factor: float = 1.0) -> Plan:
        """The step plan of the chain for a loss, times a factor."""
        return Plan(self.layers, loss, factor=factor)

    def drawn_on(self, x: Any) -> Symbolic:
        """What the layers give of a symbolic tensor."""
        tensor = x[0] if isinstance(x, list | tuple) and len(x) == 1 else x
        if not isinstance(tensor, Symbolic):
            raise ValueError(f"{self.name}: x must be one tensor; got {len(x)}")
        if not self.built:
            self.build(tensor.shape)
        for layer in self.layers:
            tensor = connected(layer, tensor)
        result: Symbolic = tensor
        return result

    # ---- config ------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The layers and their settings, as `from_config` takes them; JSON's types alone."""
        shape = self.build_input_shape
        return {
            "name": self.name,
            "build_input_shape": None if shape is None else list(shape),
            "layers": [{"class": layer.op, "config": layer.get_config()} for layer in self.layers],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Sequential:
        """The model that `get_config` described, with new weights.

        Raises:
            TypeError: the config is no dict.
            ValueError: it is not that of a model.
        """
        custom = custom_objects or {}
        with of_model("from_config", config):
            config = restored(config, custom, "from_config")
            return cls.redrawn(config, made_layers("from_config", config, custom), "from_config")

    @classmethod
    def redrawn(cls, config: dict[str, Any], layers: Iterable[Layer], op: str) -> Sequential:
        """The model of a config whose layers have been made.

        Raises:
            ValueError: the config holds no shape, or layers do not fit one another.
        """
        shape = config.get("build_input_shape")
        sizes = shape if isinstance(shape, list) else []
        if (shape is not None and shape is not sizes) or not all(
            n is None or (type(n) is int and n >= 0) for n in sizes
        ):
            raise ValueError(f"{op}: build_input_shape must be a list of sizes; got {type(shape).__name__}")
        model = cls(name=config["name"])
        model.build_input_shape = None if shape is None else tuple(sizes)
        for layer in layers:
            model.add(layer)
        if shape is not None and model.layers and not model.built:
            model.build(tuple(sizes))
        return model


def _entry(shape: Shape) -> Input:
    """The input of a model that was not given one."""
    entry = Input(shape[1:])
    entry.shape = tuple(shape)
    return entry
