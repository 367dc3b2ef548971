"""Normalization: layers and groups with mean 0 and variance 1, then a scale and a shift that are learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .base import Grads, Shape
from .core import whole_number
from .scaled import Scaled, at_end, back_from_end, check_axis

Array = NDArray[Any]


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

    def __init__(
        self,
        axis: int | tuple[int, ...] = -1,
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
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **settings,
        )
        self.axis = tuple(axis) if isinstance(axis, list | tuple) else axis
        each = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if not each or any(isinstance(a, bool) or not isinstance(a, int | np.integer) for a in each):
            raise TypeError(f"{self.op}: axis must be an int or several; got {axis!r}")

    def build(self, input_shape: Shape) -> None:
        """Make gamma and beta."""
        self.add_scale(self.set_axes(input_shape, self.axis))

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        x = self.at_end(x)
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
        ValueError: groups does not divide the channels, or axis does not fit the inputs.

    Example:
        >>> import numpy as np
        >>> GroupNormalization(2)(np.array([[[1.0, 3.0, 5.0, 5.0]]])).round(2)
        array([[[-1.,  1.,  0.,  0.]]], dtype=float32)

    References:
        Wu, He: Group Normalization, arXiv 1803.08494.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **settings,
        )
        self.groups = -1 if groups == -1 else whole_number(self.op, "groups", groups)
        self.axis = check_axis(self.op, axis)

    def build(self, input_shape: Shape) -> None:
        """Make gamma and beta."""
        (channels,) = self.set_axes(input_shape, self.axis)
        self._groups = channels if self.groups == -1 else self.groups
        if self._groups and channels % self._groups:
            raise ValueError(
                f"{self.op} {self.name!r}: groups must divide the channels ({channels}); got {self.groups}"
            )
        self.add_scale((channels,))

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        x = self.at_end(x)
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
