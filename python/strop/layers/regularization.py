"""Noise while training: Dropout, SpatialDropout1D, GaussianNoise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._backend import array_module, kernels, on_gpu
from .._names import check_number, check_share
from .base import Grads, Layer, Shape

Array = NDArray[Any]


class Dropout(Layer):
    """Sets a share of the inputs to 0 while training and scales the others up; passes all through otherwise.

    Args:
        rate: share that is set to 0, in [0, 1].
        noise_shape: shape of the draw, with the axis of the samples: 1 where an axis shares it, None where it does not.
        seed: None draws from strop's stream for dropout.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: rate is no number.
        ValueError: rate lies outside [0, 1], or noise_shape does not broadcast to the inputs.

    Example:
        >>> import numpy as np
        >>> Dropout(0.5)(np.ones((1, 4)))
        array([[1., 1., 1., 1.]], dtype=float32)
    """

    passes_mask = True

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.rate, self.noise_shape, self.seed = check_share(self.op, "rate", rate), noise_shape, seed
        self._streams = None if seed is None else _random.Streams(seed)

    def build(self, input_shape: Shape) -> None:
        """Refuse a noise_shape that does not broadcast to the inputs."""
        noise = input_shape if self.noise_shape is None else self.noise_shape
        fits = len(noise) == len(input_shape)
        if not fits or any(
            None not in (n, m) and n not in (1, m) for n, m in zip(noise, input_shape, strict=True)
        ):
            raise ValueError(
                f"{self.op} {self.name!r}: noise_shape must broadcast to the inputs; "
                f"got {tuple(noise)} for shape {input_shape}"
            )

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        if not training or self.rate == 0:
            return x, None
        if self.rate == 1:
            factor = array_module(x).zeros(x.shape, x.dtype)
        elif on_gpu(x):
            draw = (self._streams or _random.streams).numbered("dropout")
            if self.noise_shape is None:
                return self._dropped(x, draw), draw
            factor = self._dropped(array_module(x).ones(self._shape(x), x.dtype), draw)
        else:
            generator = (self._streams or _random.streams).generator("dropout")
            kept = generator.random(self._shape(x), np.float32) >= self.rate
            factor = kept * x.dtype.type(1 / (1 - self.rate))
        return x * factor, factor

    def _shape(self, x: Array) -> tuple[int, ...]:
        """The shape of the draw."""
        if self.noise_shape is None:
            return x.shape
        return tuple(n or m for n, m in zip(self.noise_shape, x.shape, strict=True))

    def _dropped(self, x: Array, draw: tuple[Any, ...]) -> Array:
        """x under the mask of a draw, which a GPU's kernel works out again for the gradient."""
        result: Array = kernels("dropout", x).dropout(x, self.rate, *draw)
        return result

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        if saved is None:
            return grad, []
        return (self._dropped(grad, saved) if isinstance(saved, tuple) else grad * saved), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        noise_shape = None if self.noise_shape is None else list(self.noise_shape)
        return {**super().get_config(), "rate": self.rate, "noise_shape": noise_shape, "seed": self.seed}


class SpatialDropout1D(Dropout):
    """Dropout of whole channels: of a sequence (N, T, D) a channel is 0 at every step or at none.

    Args:
        rate: share of the channels that is set to 0, in [0, 1].
        seed: None draws from strop's stream for dropout.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        TypeError: rate is no number.
        ValueError: rate lies outside [0, 1], or the inputs have not 3 axes.

    Example:
        >>> import numpy as np
        >>> y, _ = SpatialDropout1D(0.5, seed=1).forward(np.ones((1, 3, 4)), training=True)
        >>> bool((y == y[:, :1]).all())
        True
    """

    def __init__(self, rate: float, seed: int | None = None, **settings: Any) -> None:
        super().__init__(rate, (None, 1, None), seed, **settings)

    def build(self, input_shape: Shape) -> None:
        """Refuse inputs without an axis of steps."""
        if len(input_shape) != 3:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have 3 axes (N, T, D); got shape {input_shape}"
            )

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        config = super().get_config()
        del config["noise_shape"]
        return config


class GaussianNoise(Layer):
    """Adds normal numbers of mean 0 while training; passes all through otherwise.

    Args:
        stddev: their standard deviation, 0 or more.
        seed: None draws from strop's stream for noise.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        ValueError: stddev is negative or not finite.
        NotImplementedError: it is trained on a GPU, which has no kernel for it.

    Example:
        >>> import numpy as np
        >>> GaussianNoise(0.1)(np.ones((1, 2)))
        array([[1., 1.]], dtype=float32)
    """

    passes_mask = True

    def __init__(self, stddev: float, seed: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.stddev, self.seed = check_number(self.op, "stddev", stddev, low=0), seed
        self._streams = None if seed is None else _random.Streams(seed)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output; `backward` needs nothing."""
        if not training or self.stddev == 0:
            return x, None
        if on_gpu(x):
            kernels("gaussian_noise", x)  # raises: there is none
        noise = (self._streams or _random.streams).generator("noise").standard_normal(x.shape, x.dtype.type)
        noise *= x.dtype.type(self.stddev)
        noise += x
        return noise, None

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient itself."""
        return grad, []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}
