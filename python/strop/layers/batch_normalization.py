"""BatchNormalization: each channel with mean 0 and variance 1 over the batch, or by moving statistics."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import initializers, ops
from .._backend import array_module
from .._names import check_share
from .._serial import described
from .base import Grads, Shape
from .scaled import Scaled, at_end, back_from_end, check_axis

Array = NDArray[Any]


class BatchNormalization(Scaled):
    """Each channel with mean 0 and variance 1, then times gamma plus beta.

    While training, mean and (biased) variance are the batch's, over all axes but the channels'; steps that are masked
    do not count. The moving statistics take `1 - momentum` of them and are what is used otherwise, and always where
    `trainable` is False.

    Args:
        axis: the axis of the channels.
        momentum: share of the moving statistics that stays; torch's is 1 minus this one.
        epsilon: added to the variance; torch has 1e-5.
        center: whether beta is added.
        scale: whether gamma is multiplied by.
        beta_initializer: how beta starts.
        gamma_initializer: how gamma starts.
        moving_mean_initializer: how the moving mean starts.
        moving_variance_initializer: how the moving variance starts.
        beta_regularizer: penalty on beta.
        gamma_regularizer: penalty on gamma.
        beta_constraint: what is done to beta after each update.
        gamma_constraint: what is done to gamma after each update.
        renorm: only False.
        renorm_clipping: not used, as without renorm in Keras.
        renorm_momentum: the same.
        synchronized: only False.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: axis is no int, or epsilon or momentum no number.
        ValueError: axis does not fit the inputs, momentum lies outside [0, 1], renorm or synchronized is set,
            or a name is unknown.

    Example:
        >>> import numpy as np
        >>> layer = BatchNormalization()
        >>> layer(np.array([[1.0], [5.0]]), training=True).round(4).ravel()
        array([-0.9999,  0.9999], dtype=float32)
        >>> layer.get_weights()[2:]
        [array([0.03], dtype=float32), array([1.03], dtype=float32)]

    References:
        Ioffe, Szegedy: Batch Normalization, arXiv 1502.03167.
    """

    uses_mask = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
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
        for name, value, why in (
            ("renorm", renorm, "batch renormalization is not offered"),
            ("synchronized", synchronized, "a model lives on one device"),
        ):
            if value:
                raise ValueError(f"{self.op}: {name} must be False; got {value!r}; {why}")
        self.axis, self.momentum = check_axis(self.op, axis), check_share(self.op, "momentum", momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer, self.op)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer, self.op)

    def build(self, input_shape: Shape) -> None:
        """Make gamma, beta and the moving statistics."""
        (channels,) = self.set_axes(input_shape, self.axis)
        self.add_scale((channels,))
        self.moving_mean = self.add_variable(
            "moving_mean", (channels,), self.moving_mean_initializer, trainable=False
        )
        self.moving_variance = self.add_variable(
            "moving_variance", (channels,), self.moving_variance_initializer, trainable=False
        )

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs. While training it moves the moving statistics."""
        x = self.at_end(x)
        if not (training and self.trainable):
            statistics = self.moving_mean._value, self.moving_variance._value
            y = ops.batch_norm_inference(x, *statistics, *self.parameters, epsilon=self.epsilon)
            return back_from_end(y, self._axes), None
        if mask is not None:
            mask = self._mask(x, mask)
        y, mean, variance = ops.batch_norm(x, *self.parameters, mask=mask, epsilon=self.epsilon)
        if x.size and (mask is None or mask.any()):
            for moving, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                value = moving._value
                value[...] = value * self.momentum + of_batch * (1 - self.momentum)
        return back_from_end(y, self._axes), (x, mean, variance, mask)

    def _mask(self, x: Array, mask: Array) -> Array:
        """The mask of the rows, which are all axes but the last."""
        if self._axes != (x.ndim - 1,) or mask.shape != x.shape[:-1]:
            raise ValueError(
                f"{self.op} {self.name!r}: mask must have one value for each step of inputs with the channels last; "
                f"got shape {mask.shape} for inputs {x.shape} with axis {self.axis}"
            )
        result: Array = array_module(mask).ascontiguousarray(mask)
        return result

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, by gamma and beta."""
        gamma = self.parameters[0]
        grad = at_end(grad, self._axes)
        if saved is None:  # moving statistics: a scale
            if not need_x:
                return None, []
            variance = self.moving_variance._value
            zeros = array_module(variance).zeros_like(variance)
            grad_x: Array | None = ops.batch_norm_inference(
                grad, zeros, variance, gamma, epsilon=self.epsilon
            )
            own: list[Any] = []
        else:
            x, mean, variance, mask = saved
            grad_x, *own = ops.batch_norm_backward(
                grad, x, gamma, mean, variance, mask=mask, epsilon=self.epsilon, need_x=need_x
            )
        result = None if grad_x is None else back_from_end(grad_x, self._axes)
        return result, self.own_grads(*own) if own else []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "moving_mean_initializer": described(self.moving_mean_initializer),
            "moving_variance_initializer": described(self.moving_variance_initializer),
        }
