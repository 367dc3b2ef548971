"""Normalization: batches, layers and groups with mean 0 and variance 1, then a scale and a shift that are learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import constraints, initializers, ops, regularizers
from .._backend import array_module
from .._serial import described
from .base import Grads, Layer, Shape
from .core import whole_number

Array = NDArray[Any]


class Scaled(Layer):
    """What the layers have in common: gamma, beta, and the axes that are brought to the end."""

    passes_mask = True

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
        if not epsilon >= 0:
            raise ValueError(f"{self.op}: epsilon must be 0 or more; got {epsilon}")
        self.epsilon, self.center, self.scale = float(epsilon), bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer, self.op)
        self.gamma_initializer = initializers.get(gamma_initializer, self.op)
        self.beta_regularizer = regularizers.get(beta_regularizer, self.op)
        self.gamma_regularizer = regularizers.get(gamma_regularizer, self.op)
        self.beta_constraint = constraints.get(beta_constraint, self.op)
        self.gamma_constraint = constraints.get(gamma_constraint, self.op)
        self.gamma: Any = None
        self.beta: Any = None

    def places(self, input_shape: Shape, axes: int | tuple[int, ...]) -> tuple[int, ...]:
        """Axes as places from the front, in order; they must be known, and not that of the batch."""
        given = axes if isinstance(axes, tuple) else (axes,)
        rank = len(input_shape)
        if not all(-rank < axis < rank and axis % rank for axis in given) or len(
            {a % rank for a in given}
        ) != len(given):
            raise ValueError(
                f"{self.op} {self.name!r}: axis must name axes of the inputs behind the batch, each once; "
                f"got {axes} for shape {input_shape}"
            )
        found = tuple(sorted(axis % rank for axis in given))
        if any(input_shape[axis] is None for axis in found):
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have a known size along axis {axes}; got shape {input_shape}"
            )
        return found

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


class LayerNormalization(Scaled):
    """Each row, over the given axes, with mean 0 and variance 1, then times gamma plus beta.

    Args:
        axis: the axis, or several, that are normalized together.
        epsilon: added to the variance; torch has 1e-5.
        center: whether beta is added.
        scale: whether gamma is multiplied by.
        beta_initializer: how beta starts.
        gamma_initializer: how gamma starts.
        beta_regularizer: penalty on beta.
        gamma_regularizer: penalty on gamma.
        beta_constraint: what is done to beta after each update.
        gamma_constraint: what is done to gamma after each update.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: axis is no int nor several.
        ValueError: axis does not fit the inputs, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> LayerNormalization()(np.array([[1.0, 2.0, 3.0]])).round(5)
        array([[-1.22383,  0.     ,  1.22383]], dtype=float32)

    References:
        Ba, Kiros, Hinton: Layer Normalization, arXiv 1607.06450.
    """

    def __init__(self, axis: int | tuple[int, ...] = -1, epsilon: float = 0.001, **settings: Any) -> None:
        super().__init__(epsilon, **settings)
        self.axis = tuple(axis) if isinstance(axis, list | tuple) else axis
        each = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if not each or any(isinstance(a, bool) or not isinstance(a, int | np.integer) for a in each):
            raise TypeError(f"{self.op}: axis must be an int or several; got {axis!r}")

    def build(self, input_shape: Shape) -> None:
        """Make gamma and beta."""
        self._axes = self.places(input_shape, self.axis)
        self.add_scale(tuple(input_shape[axis] for axis in self._axes))  # type: ignore[misc]

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        x = at_end(x, self._axes)
        y, mean, variance = ops.layer_norm(x, *self.parameters, axes=len(self._axes), epsilon=self.epsilon)
        return back_from_end(y, self._axes), (x, mean, variance)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, by gamma and beta."""
        x, mean, variance = saved
        grad_x, *own = ops.layer_norm_backward(
            at_end(grad, self._axes),
            x,
            self.parameters[0],
            mean,
            variance,
            axes=len(self._axes),
            epsilon=self.epsilon,
            need_x=need_x,
        )
        return None if grad_x is None else back_from_end(grad_x, self._axes), self.own_grads(*own)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        axis = list(self.axis) if isinstance(self.axis, tuple) else self.axis
        return {**super().get_config(), "axis": axis}


class GroupNormalization(Scaled):
    """Each group of channels of a sample, over all its places, with mean 0 and variance 1; then gamma and beta.

    Args:
        groups: how many groups of neighbours the channels form; -1 makes each channel one.
        axis: the axis of the channels.
        epsilon: added to the variance; torch has 1e-5.
        settings: center, scale, their initializers, regularizers and constraints, as `LayerNormalization` has them;
            name, dtype, trainable, input_shape.

    Raises:
        ValueError: groups does not divide the channels, or axis does not fit the inputs.

    Example:
        >>> import numpy as np
        >>> GroupNormalization(2)(np.array([[[1.0, 3.0, 5.0, 5.0]]])).round(2)
        array([[[-1.,  1.,  0.,  0.]]], dtype=float32)

    References:
        Wu, He: Group Normalization, arXiv 1803.08494.
    """

    def __init__(self, groups: int = 32, axis: int = -1, epsilon: float = 0.001, **settings: Any) -> None:
        super().__init__(epsilon, **settings)
        self.groups = -1 if groups == -1 else whole_number(self.op, "groups", groups)
        self.axis = axis

    def build(self, input_shape: Shape) -> None:
        """Make gamma and beta."""
        self._axes = self.places(input_shape, self.axis)
        channels = input_shape[self._axes[0]]
        assert channels is not None
        self._groups = channels if self.groups == -1 else self.groups
        if self._groups and channels % self._groups:
            raise ValueError(
                f"{self.op} {self.name!r}: groups must divide the channels ({channels}); got {self.groups}"
            )
        self.add_scale((channels,))

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        x = at_end(x, self._axes)
        y, mean, variance = ops.group_norm(x, *self.parameters, groups=self._groups, epsilon=self.epsilon)
        return back_from_end(y, self._axes), (x, mean, variance)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, by gamma and beta."""
        x, mean, variance = saved
        grad_x, *own = ops.group_norm_backward(
            at_end(grad, self._axes),
            x,
            self.parameters[0],
            mean,
            variance,
            groups=self._groups,
            epsilon=self.epsilon,
            need_x=need_x,
        )
        return None if grad_x is None else back_from_end(grad_x, self._axes), self.own_grads(*own)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "groups": self.groups, "axis": self.axis}
