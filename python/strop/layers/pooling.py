"""Pooling over the steps of a sequence."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import ops
from .._backend import array_module, on_gpu
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
        count: Any  # of the steps, one number or one for each row
        if mask is None:
            count = x.dtype.type(max(x.shape[1], 1))
            y = ops.mean(x, axis=1) if on_gpu(x) and x.shape[1] else x.sum(axis=1) / count
        else:
            library = array_module(x)
            count = library.maximum(mask.sum(axis=1, keepdims=True), 1).astype(x.dtype)
            # where, not a product: a masked step may hold NaN
            y = library.where(mask[:, :, None], x, 0).sum(axis=1, dtype=x.dtype) / count
        return (y[:, None] if self.keepdims else y), (x.shape, count, mask)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """Every step that counted gets its share."""
        shape, count, mask = saved
        share = (grad.reshape(shape[0], shape[2]) / count)[:, None]
        library = array_module(grad)
        spread = library.broadcast_to(share, shape)
        if mask is not None:
            spread = library.where(mask[:, :, None], spread, 0)
        return library.ascontiguousarray(spread, grad.dtype), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "keepdims": self.keepdims}
