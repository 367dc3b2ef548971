"""What the normalizing layers share: gamma and beta, the axes that are normalized, and their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import constraints, initializers, regularizers
from .._backend import array_module
from .._names import check_number
from .._serial import described
from .base import Grads, Layer, Shape

Array = NDArray[Any]


class Scaled(Layer):
    """What the layers have in common: gamma, beta, and the axes that are brought to the end."""

    passes_mask = True
    fixed_rank = True

    def __init__(
        self,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.epsilon = check_number(self.op, "epsilon", epsilon, low=0)
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer, self.op)
        self.gamma_initializer = initializers.get(gamma_initializer, self.op)
        self.beta_regularizer = regularizers.get(beta_regularizer, self.op)
        self.gamma_regularizer = regularizers.get(gamma_regularizer, self.op)
        self.beta_constraint = constraints.get(beta_constraint, self.op)
        self.gamma_constraint = constraints.get(gamma_constraint, self.op)
        self.gamma: Any = None
        self.beta: Any = None

    def set_axes(self, input_shape: Shape, axes: int | tuple[int, ...]) -> tuple[int, ...]:
        """Take axes as places from the front, in order, and return their sizes, which must be known."""
        given = axes if isinstance(axes, tuple) else (axes,)
        rank = len(input_shape)
        if not all(-rank < axis < rank and axis % rank for axis in given) or len(
            {a % rank for a in given}
        ) != len(given):
            raise ValueError(
                f"{self.op} {self.name!r}: axis must name axes of the inputs behind the batch, each once; "
                f"got {axes} for shape {input_shape}"
            )
        self._axes = tuple(sorted(axis % rank for axis in given))
        sizes = [input_shape[axis] for axis in self._axes]
        if None in sizes:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have a known size along axis {axes}; got shape {input_shape}"
            )
        self._sizes = tuple(n for n in sizes if n is not None)
        return self._sizes

    def at_end(self, x: Array) -> Array:
        """An input with the axes last that are normalized; refuses other sizes than the layer was built for."""
        check_sizes(self, x, self._axes, self._sizes)
        return at_end(x, self._axes)

    def add_scale(self, shape: tuple[int, ...]) -> None:
        """Make gamma and beta, where they are asked for."""
        if self.scale:
            self.gamma = self.add_variable(
                "gamma",
                shape,
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_variable(
                "beta",
                shape,
                self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )

    @property
    def parameters(self) -> tuple[Array | None, Array | None]:
        """The arrays of gamma and beta, or None."""
        return tuple(v and v._value for v in (self.gamma, self.beta))

    def own_grads(self, by_gamma: Array, by_beta: Array) -> Grads:
        """Gradients by the variables that there are."""
        if not self.trainable:
            return []
        return [g for g, variable in ((by_gamma, self.gamma), (by_beta, self.beta)) if variable is not None]

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": described(self.beta_initializer),
            "gamma_initializer": described(self.gamma_initializer),
            "beta_regularizer": described(self.beta_regularizer),
            "gamma_regularizer": described(self.gamma_regularizer),
            "beta_constraint": described(self.beta_constraint),
            "gamma_constraint": described(self.gamma_constraint),
        }


def check_sizes(layer: Layer, x: Array, axes: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    """Refuse inputs whose axes have other sizes than the weights."""
    if tuple(x.shape[axis] for axis in axes) == sizes:
        return
    wanted = f"last axis {sizes[0]}" if axes == (x.ndim - 1,) else f"sizes {sizes} along the axes {axes}"
    raise ValueError(f"{layer.op} {layer.name!r}: inputs must have {wanted}; got shape {x.shape}")


def check_axis(op: str, axis: Any) -> int:
    """The axis, which must be an int."""
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise TypeError(f"{op}: axis must be an int; got {type(axis).__name__}")
    return int(axis)


def at_end(x: Array, axes: tuple[int, ...]) -> Array:
    """x with these axes last, in memory too; x itself where they are there."""
    if axes == tuple(range(x.ndim - len(axes), x.ndim)):
        return x
    library = array_module(x)
    result: Array = library.ascontiguousarray(library.moveaxis(x, axes, range(-len(axes), 0)))
    return result


def back_from_end(y: Array, axes: tuple[int, ...]) -> Array:
    """What `at_end` did, undone."""
    if axes == tuple(range(y.ndim - len(axes), y.ndim)):
        return y
    library = array_module(y)
    result: Array = library.ascontiguousarray(library.moveaxis(y, range(-len(axes), 0), axes))
    return result
