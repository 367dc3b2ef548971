"""Masking: steps that hold one value everywhere are left out by the layers behind."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import array_module
from .base import Grads, Layer, Shape

Array = NDArray[Any]


class Masking(Layer):
    """Masks each step whose features all equal mask_value, and sets it to 0.

    Args:
        mask_value: the value of a step that is to be left out.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: mask_value is no number.
        ValueError: the inputs have no axis of steps.

    Example:
        >>> import numpy as np
        >>> layer = Masking(mask_value=-1.0)
        >>> x = np.array([[[1.0, -1.0], [-1.0, -1.0]]])
        >>> layer(x)
        array([[[ 1., -1.],
                [ 0.,  0.]]], dtype=float32)
        >>> layer.compute_mask(x, None)
        array([[ True, False]])
    """

    uses_mask = True
    passes_mask = True
    starts_mask = True

    def __init__(self, mask_value: float = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        given: object = mask_value  # whatever a caller passes
        if isinstance(given, str) or not hasattr(given, "__float__") or getattr(given, "ndim", False):
            raise TypeError(f"{self.op}: mask_value must be a number; got {type(given).__name__}")
        self.mask_value = float(mask_value)

    def build(self, input_shape: Shape) -> None:
        """Refuse inputs without an axis of steps."""
        if len(input_shape) < 3:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have 3 axes or more (batch, steps, ...); got shape "
                f"{input_shape}"
            )

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        kept = self._kept(x)[..., None]
        return array_module(x).where(kept, x, x.dtype.type(0)), kept

    def _kept(self, x: Array) -> Array:
        result: Array = (x != self.mask_value).any(axis=-1)
        return result

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        return array_module(grad).where(saved, grad, grad.dtype.type(0)), []

    def compute_mask(self, x: Array, mask: Array | None) -> Array | None:
        """Where a step is to be left in."""
        return self._kept(x)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "mask_value": self.mask_value}
