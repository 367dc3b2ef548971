"""Sequential: a chain of layers that is compiled, fitted, evaluated and saved as in Keras."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import layers as layer_module
from .._serial import restored
from ..layers import Embedding, Input, Layer
from ..layers.base import Shape
from ..training.plan import Plan
from . import saving
from .summary import print_summary
from .trainer import Trainer
from .weights import Weights

Array = NDArray[Any]


class Sequential(Weights, Trainer):
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
        self._output_shape: Shape | None = None
        for layer in layers or []:
            self.add(layer)

    # ---- the chain ---------------------------------------------------------

    def add(self, layer: Any) -> None:
        """Append a layer; it is built at once where the shape of its input is known."""
        if isinstance(layer, Input):
            if self.layers:
                raise ValueError("add: Input must be the first entry of a model; got it after a layer")
            self.build_input_shape = layer.shape
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"add: layer must be a Layer; got {type(layer).__name__}")
        if any(layer is other for other in self.layers):
            raise ValueError(f"add: layer must not be in the model yet; got {layer.name!r} twice")
        self._take_device(layer)
        self._name(layer)
        if not self.layers and self.build_input_shape is None:
            self.build_input_shape = layer.input_shape
        self._plan = None
        shape = self._output_shape if self.layers else self.build_input_shape
        before = self.layers[-1] if self.layers else None
        if shape is not None and (before is None or before.built):
            self._output_shape = self._build_layer(layer, shape, before)
        self.layers.append(layer)

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
        layer = self.layers.pop()
        self._plan = None
        self._output_shape = None
        if self.built and self.build_input_shape is not None:
            shape = self.build_input_shape
            for other in self.layers:
                shape = other.compute_output_shape(shape)
            self._output_shape = shape
        return layer

    def _name(self, layer: Layer) -> None:
        """Names are unique per model: dense, dense_1, ..."""
        taken = {other.name for other in self.layers}
        if layer.given_name is not None:
            if layer.given_name in taken:
                raise ValueError(f"add: layer names must be unique; got {layer.given_name!r} twice")
            return
        base, count = layer.name, 0
        while layer.name in taken:
            count += 1
            layer.name = f"{base}_{count}"

    def _build_layer(self, layer: Layer, shape: Shape, before: Layer | None) -> Shape:
        if layer.reads_ids and before is not None:
            raise ValueError(
                f"{layer.op} {layer.name!r}: ids must come from outside; got the output of {before.name!r}"
            )
        kernel = getattr(layer, "kernel", None)
        if layer.built and kernel is not None and shape[-1] != kernel.shape[0]:
            after = f" from {before.name!r}" if before is not None else ""
            raise ValueError(
                f"{layer.op} {layer.name!r}: inputs must have last axis {kernel.shape[0]}; got shape {shape}{after}"
            )
        return layer.build_once(shape)

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
        before = None
        current: Shape = shape
        for layer in self.layers:
            current = self._build_layer(layer, current, before)
            before = layer
        self.build_input_shape, self._output_shape = shape, current
        self._warn_of_lost_masks()

    def _warn_of_lost_masks(self) -> None:
        source = None
        for layer in self.layers:
            if isinstance(layer, Embedding):
                source = layer if layer.mask_zero else None
            elif source is not None and layer.uses_mask:
                source = None
            elif source is not None and not layer.passes_mask:
                warnings.warn(
                    f"build: the mask of {source.name!r} ends at {layer.op} {layer.name!r}, which cannot use it",
                    UserWarning,
                    stacklevel=4,
                )
                source = None

    @property
    def built(self) -> bool:
        """Whether every layer has its weights."""
        return bool(self.layers) and all(layer.built for layer in self.layers)

    @property
    def output_shape(self) -> Shape | None:
        """The shape of the output, with None for the batch axis."""
        return self._output_shape

    @property
    def input_shape(self) -> Shape | None:
        """The shape of the input, with None for the batch axis."""
        return self.build_input_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type of the output."""
        return self.layers[-1].dtype

    def make_plan(self, loss: Any) -> Plan:
        """The step plan of the chain for a loss."""
        return Plan(self.layers, loss)

    # ---- looking -----------------------------------------------------------

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or by place.

        Raises:
            ValueError: there is no such layer; the message lists those there are.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"get_layer: index must lie in [0, {len(self.layers)}); got {index}")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"get_layer: name must be one of {', '.join(repr(layer.name) for layer in self.layers)}; got {name!r}"
        )

    def summary(self, print_fn: Callable[[str], object] | None = None) -> None:
        """Print the layers as a table."""
        print_summary(self, print_fn)

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        if not self.built:
            raise ValueError(
                "count_params: model must be built; call build, or start the model with an Input"
            )
        return sum(layer.count_params() for layer in self.layers)

    # ---- files -------------------------------------------------------------

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the model whole, so that `load_model` goes on bit for bit; see `strop.models.saving.save`."""
        saving.save(self, filepath, overwrite)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights alone; see `strop.models.saving.save_weights`."""
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> list[str]:
        """Load weights by name, all checked before the first write; see `strop.models.saving.load_weights`."""
        return saving.load_weights(self, filepath, skip_mismatch)

    def to_json(self) -> str:
        """The layers and their settings as JSON, without weights."""
        return json.dumps(self.get_config())

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
        """The model that `get_config` described, with new weights."""
        config = restored(config, custom_objects or {}, "load_model")
        known = {**layer_module.registry, **(custom_objects or {})}
        made = []
        for entry in config["layers"]:
            if entry["class"] not in known:
                raise ValueError(
                    f"from_config: layer classes must be known or in custom_objects; got {entry['class']!r}"
                )
            made.append(known[entry["class"]].from_config(entry["config"]))
        model = cls(name=config["name"])
        shape = config.get("build_input_shape")
        if shape is not None:
            model.build_input_shape = tuple(shape)
        for layer in made:
            model.add(layer)
        if shape is not None and made and not model.built:
            model.build(shape)
        return model
