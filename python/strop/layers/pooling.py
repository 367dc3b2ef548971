"""Pooling over the steps of a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Grads, Layer, Shape

Array = NDArray[Any]


class GlobalAveragePooling1D(Layer):
    """The mean over the steps: (N, T, D) becomes (N, D).

    Masked steps are left out; a row that is masked whole gives zeros. Without a mask padding is averaged in.

    Args:
        data_format: only `"channels_last"` or None.
        keepdims: True keeps the axis of the steps, with length 1.
        settings: name, dtype, trainable, input_shape.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling1D()(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
        array([[2., 3.]], dtype=float32)
    """

    uses_mask = True

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        if data_format not in (None, "channels_last"):
            raise ValueError(f"{self.op}: data_format must be 'channels_last'; got {data_format!r}")
        self.keepdims = keepdims

    def build(self, input_shape: Shape) -> None:
        """Refuse inputs without an axis of steps."""
        if len(input_shape) != 3:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have 3 axes (N, T, D); got shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, D), or (N, 1, D) with keepdims."""
        return (input_shape[0], 1, input_shape[2]) if self.keepdims else (input_shape[0], input_shape[2])

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        if mask is None:
            count = np.full((len(x), 1), max(x.shape[1], 1), x.dtype)
            y = x.sum(axis=1) / count
        else:
            count = np.maximum(mask.sum(axis=1, keepdims=True), 1).astype(x.dtype)
            # where, not a product: a masked step may hold NaN
            y = np.where(mask[:, :, None], x, 0).sum(axis=1, dtype=x.dtype) / count
        return (y[:, None] if self.keepdims else y), (x.shape, count, mask)

    def backward(self, grad: Array, saved: Any) -> tuple[Array | None, Grads]:
        """Every step that counted gets its share."""
        shape, count, mask = saved
        share = (grad.reshape(shape[0], shape[2]) / count)[:, None]
        spread = np.broadcast_to(share, shape)
        return np.ascontiguousarray(spread if mask is None else np.where(mask[:, :, None], spread, 0)), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "keepdims": self.keepdims}
