"""Pooling over all steps of a sequence, or over all places of an image."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from .. import ops
from .._backend import array_module, on_gpu
from .base import Grads, Layer, Shape
from .windows import check_data_format

Array = NDArray[Any]


class GlobalPooling(Layer):
    """What the layers have in common that pool over all axes between batch and channels."""

    fixed_rank = True
    #: Names of the axes, by which an error says what was expected.
    AXES: tuple[str, ...] = ("batch", "steps", "features")

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        check_data_format(self.op, data_format)
        self.keepdims = keepdims

    def build(self, input_shape: Shape) -> None:
        """Refuse inputs with other axes."""
        if len(input_shape) != len(self.AXES):
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have {len(self.AXES)} axes ({', '.join(self.AXES)}); "
                f"got shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, C), or with keepdims 1 for each axis between."""
        between = (1,) * (len(input_shape) - 2) if self.keepdims else ()
        return (input_shape[0], *between, input_shape[-1])

    def shaped(self, y: Array) -> Array:
        """A result (N, C) with the axes that `keepdims` asks for."""
        return y.reshape(len(y), *(1,) * (len(self.AXES) - 2), y.shape[-1]) if self.keepdims else y

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "keepdims": self.keepdims}


class GlobalAveragePooling1D(GlobalPooling):
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
        return self.shaped(y), (x.shape, count, mask)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """Every step that counted gets its share."""
        if not need_x:
            return None, []
        shape, count, mask = saved
        share = (grad.reshape(shape[0], shape[2]) / count)[:, None]
        library = array_module(grad)
        spread = library.broadcast_to(share, shape)
        if mask is not None:
            spread = library.where(mask[:, :, None], spread, 0)
        return library.ascontiguousarray(spread, grad.dtype), []


class GlobalAveragePooling2D(GlobalPooling):
    """The mean over the places of an image: (N, H, W, C) becomes (N, C).

    Args:
        data_format: only `"channels_last"` or None.
        keepdims: True keeps height and width, with length 1.
        settings: name, dtype, trainable, input_shape.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling2D()(np.arange(8.0).reshape(1, 2, 2, 2))
        array([[3., 4.]], dtype=float32)
    """

    AXES = ("batch", "height", "width", "channels")

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        if math.prod(x.shape[1:3]) == 0:
            return self.shaped(array_module(x).zeros((len(x), x.shape[3]), x.dtype)), x.shape
        return self.shaped(ops.mean(x, axis=(1, 2))), x.shape

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """Every place gets its share."""
        if not need_x:
            return None, []
        samples, height, width, channels = saved
        if height * width == 0:
            return array_module(grad).zeros(saved, grad.dtype), []
        grad = grad.reshape(samples, 1, 1, channels)
        return ops.average_pool_backward(grad, shape=saved, window=(height, width)), []


class GlobalMaxPooling1D(GlobalPooling):
    """The greatest over the steps: (N, T, D) becomes (N, D). A mask is not looked at, as in Keras.

    Args:
        data_format: only `"channels_last"` or None.
        keepdims: True keeps the axis of the steps, with length 1.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: there is no step.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling1D()(np.array([[[1.0, 4.0], [3.0, 2.0]]]))
        array([[3., 4.]], dtype=float32)
    """

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        if math.prod(x.shape[1:-1]) == 0:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have an element to choose from; got shape {x.shape}"
            )
        y = ops.max_pool(x, window=x.shape[1:-1])
        return self.shaped(y.reshape(len(x), x.shape[-1])), (x, y)

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The first of the greatest gets it all."""
        if not need_x:
            return None, []
        x, y = saved
        return ops.max_pool_backward(grad.reshape(y.shape), x, y, window=x.shape[1:-1]), []


class GlobalMaxPooling2D(GlobalMaxPooling1D):
    """The greatest over the places of an image: (N, H, W, C) becomes (N, C).

    Args:
        data_format: only `"channels_last"` or None.
        keepdims: True keeps height and width, with length 1.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: height or width is 0.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling2D()(np.arange(8.0).reshape(1, 2, 2, 2))
        array([[6., 7.]], dtype=float32)
    """

    AXES = ("batch", "height", "width", "channels")
