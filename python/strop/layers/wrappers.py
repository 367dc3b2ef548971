"""Layers around layers: TimeDistributed, and what it shares with Bidirectional."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .base import Grads, Layer, Shape
from .variable import Variable

Array = NDArray[Any]


class Wrapper(Layer):
    """Base of the layers that hold others: their variables are the inner ones', in order."""

    def __init__(self, *inner: Layer, **settings: Any) -> None:
        super().__init__(**{"dtype": inner[0].dtype.name} | settings)
        if any(layer.dtype != self.dtype for layer in inner):
            raise ValueError(
                f"{self.op}: layer must have dtype {self.dtype} like its wrapper; got "
                f"{', '.join(str(layer.dtype) for layer in inner)}"
            )
        for layer in inner:
            if layer.activity_regularizer is not None:
                raise ValueError(
                    f"{self.op}: activity_regularizer must be the wrapper's own; got that of {layer.op} {layer.name!r}"
                )
        self.inner = inner

    #: What the names of each inner layer's variables begin with.
    prefixes: tuple[str, ...] = ("",)

    def parts(self) -> list[tuple[Layer, str]]:
        """The layers that make the variables, each with what the names of its variables begin with here."""
        return [
            (part, prefix + own)
            for layer, prefix in zip(self.inner, self.prefixes, strict=False)
            for part, own in layer.parts()
        ]

    def _check_again(self, input_shape: Any) -> None:
        """Refuse another last axis: the inner layers have their weights."""
        wanted: Any = self.input_shape
        if input_shape[-1] != wanted[-1]:
            raise ValueError(f"inputs must have last axis {wanted[-1]}; got shape {input_shape}")

    def adopt(self, layer: Layer, prefix: str = "") -> None:
        """Take the variables of a layer that has been built."""
        if any(
            variable in self.variables for variable in layer.variables
        ):  # built once more, for another shape
            return
        for variable in layer.variables:
            variable.name = prefix + variable.name
        self.variables += layer.variables

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those that the optimizer moves."""
        return [v for layer in self.inner for v in layer.trainable_variables if self.trainable]

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Self:
        """The layer that `get_config` described, with the layers in it."""
        if not isinstance(settings, dict):
            raise TypeError(f"{cls.__name__}: config must be a dict; got {type(settings).__name__}")
        made = dict(settings)
        for name in ("layer", "backward_layer"):
            if made.get(name) is not None:
                made[name] = _layer_from(cls.__name__, made[name])
        return cls(**made)


def _layer_from(op: str, config: Any) -> Layer:
    """An inner layer from its config; one that is a layer already has come from custom_objects."""
    from . import registry

    if isinstance(config, Layer):
        return config
    if not isinstance(config, dict) or set(config) != {"class_name", "config"}:
        raise ValueError(f"{op}: layer must be a dict of class_name and config; got {str(config)[:60]}")
    name = config["class_name"]
    if name not in registry:
        raise ValueError(f"{op}: layer classes must be known or in custom_objects; got {name!r}")
    return registry[name].from_config(config["config"])


def layer_config(layer: Layer) -> dict[str, Any]:
    """An inner layer as JSON."""
    return {"class_name": layer.op, "config": layer.get_config()}


def check_inner(op: str, name: str, layer: Any) -> Layer:
    """Refuse what is no layer, or has weights or a model already."""
    if not isinstance(layer, Layer):
        raise TypeError(f"{op}: {name} must be a Layer; got {type(layer).__name__}")
    return layer


class TimeDistributed(Wrapper):
    """A layer on every step of a sequence: (N, T, ...) becomes (N, T) and what the layer makes of the rest.

    The steps of all samples are one batch of the layer: BatchNormalization has the statistics of all steps together,
    where Keras takes those of one step after another.

    Args:
        layer: the layer; its weights are the same for all steps.
        settings: name, trainable, input_shape.

    Raises:
        TypeError: layer is no Layer.
        ValueError: layer has an activity_regularizer, which the wrapper takes itself, or gives several outputs.

    Example:
        >>> import numpy as np
        >>> from strop.layers import Dense
        >>> TimeDistributed(Dense(2, kernel_initializer="ones"))(np.array([[[1.0], [3.0]]]))
        array([[[1., 1.],
                [3., 3.]]], dtype=float32)
    """

    passes_mask = True
    fixed_rank = True

    def __init__(self, layer: Layer, **settings: Any) -> None:
        self.layer = check_inner("TimeDistributed", "layer", layer)
        super().__init__(layer, **settings)
        self.reads_ids = layer.reads_ids

    def build(self, input_shape: Shape) -> None:
        """Make the layer's variables."""
        if len(input_shape) < 3:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have 3 axes or more (batch, steps, ...); got shape "
                f"{input_shape}"
            )
        shape: Any = self.layer.build_once((None, *input_shape[2:]))
        if isinstance(shape, list):
            raise ValueError(f"{self.op} {self.name!r}: layer must give one output; got {len(shape)}")
        self.adopt(self.layer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the layer's output with the axis of the steps."""
        return (*input_shape[:2], *self.layer.compute_output_shape((None, *input_shape[2:]))[1:])

    def as_input(self, x: Any) -> Array:
        """An array as the layer reads it."""
        return self.layer.as_input(x)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        steps = x.shape[:2]
        y, saved = self.layer.forward(x.reshape(math.prod(steps), *x.shape[2:]), training=training)
        return y.reshape(*steps, *y.shape[1:]), (saved, y.shape, x.shape)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, and by the layer's variables."""
        inner, output_shape, input_shape = saved
        by_x, own = self.layer.backward(np.ascontiguousarray(grad).reshape(output_shape), inner, need_x)
        by_x = None if by_x is None else by_x.reshape(input_shape)
        return by_x, own if self.trainable else []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "layer": layer_config(self.layer)}
