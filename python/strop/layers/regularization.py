"""Dropout: some inputs are set to 0 while training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._backend import array_module, kernels, on_gpu
from .base import Grads, Layer

Array = NDArray[Any]


class Dropout(Layer):
    """Sets a share of the inputs to 0 while training and scales the others up; passes all through otherwise.

    Args:
        rate: share that is set to 0, in [0, 1].
        noise_shape: shape of the draw, with 1 where an axis shares it.
        seed: None draws from strop's stream for dropout.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: rate lies outside [0, 1].

    Example:
        >>> import numpy as np
        >>> Dropout(0.5)(np.ones((1, 4)))
        array([[1., 1., 1., 1.]], dtype=float32)
    """

    passes_mask = True

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if not 0 <= rate <= 1:
            raise ValueError(f"{self.op}: rate must lie in [0, 1]; got {rate}")
        self.rate, self.noise_shape, self.seed = float(rate), noise_shape, seed
        self._streams = None if seed is None else _random.Streams(seed)

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
