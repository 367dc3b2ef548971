"""Arrays and weights of torch and ONNX in the layouts that our layers have: channels last, inputs before outputs.

Those of recurrent layers are in `strop.adapters.recurrent_weights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def channels_last(x: ArrayLike) -> Array:
    """A batch (N, C, ...) as (N, ..., C).

    Args:
        x: 3 axes or more: sequences (N, C, T), images (N, C, H, W).

    Returns:
        A new array, C-contiguous.

    Raises:
        ValueError: there are fewer axes.

    Example:
        >>> channels_last(np.zeros((8, 3, 32, 24))).shape
        (8, 32, 24, 3)
    """
    return np.array(np.moveaxis(_axes("channels_last", "x", x, 3), 1, -1), order="C")


def channels_first(x: ArrayLike) -> Array:
    """A batch (N, ..., C) as (N, C, ...).

    Args:
        x: 3 axes or more: sequences (N, T, C), images (N, H, W, C).

    Returns:
        A new array, C-contiguous.

    Raises:
        ValueError: there are fewer axes.

    Example:
        >>> channels_first(np.zeros((8, 32, 24, 3))).shape
        (8, 3, 32, 24)
    """
    return np.array(np.moveaxis(_axes("channels_first", "x", x, 3), -1, 1), order="C")


def conv_kernel(weight: ArrayLike) -> Array:
    """The weight of a torch `Conv1d` or `Conv2d`, or of ONNX's Conv, as `Conv1D` and `Conv2D` take it.

    Args:
        weight: (filters, inputs / groups, k) or (filters, inputs / groups, kh, kw).

    Returns:
        (k, inputs / groups, filters) or (kh, kw, inputs / groups, filters).

    Raises:
        ValueError: there are fewer than 3 axes.

    Example:
        >>> conv_kernel(np.zeros((64, 3, 5, 7))).shape
        (5, 7, 3, 64)
    """
    array = _axes("conv_kernel", "weight", weight, 3)
    return np.array(np.moveaxis(array, (1, 0), (-2, -1)), order="C")


def depthwise_kernel(weight: ArrayLike, channels: int) -> Array:
    """The weight of a convolution with as many groups as channels, as `DepthwiseConv2D` takes it.

    Args:
        weight: (channels * depth_multiplier, 1, kh, kw).
        channels: of the input.

    Returns:
        (kh, kw, channels, depth_multiplier).

    Raises:
        ValueError: weight has another shape, or channels does not divide its first axis.

    Example:
        >>> depthwise_kernel(np.zeros((6, 1, 5, 7)), channels=3).shape
        (5, 7, 3, 2)
    """
    array = _axes("depthwise_kernel", "weight", weight, 4)
    if array.ndim != 4 or array.shape[1] != 1 or channels < 1 or len(array) % channels:
        raise ValueError(
            f"depthwise_kernel: weight must have shape ({channels} * depth_multiplier, 1, kh, kw); got {array.shape}"
        )
    return np.array(array.reshape(channels, -1, *array.shape[2:]).transpose(2, 3, 0, 1), order="C")


def dense_kernel(weight: ArrayLike, flattened: Sequence[int] | None = None) -> Array:
    """The weight of a torch `Linear` as `Dense` takes it.

    Args:
        weight: (units, inputs).
        flattened: (C, H, W) or (C, T), where the layer reads what a `Flatten` makes of channels first: our Flatten
            has the same numbers in another order. None: the layer reads anything else.

    Returns:
        (inputs, units).

    Raises:
        ValueError: weight has not 2 axes, or flattened holds another count than inputs.

    Example:
        >>> dense_kernel([[1, 2, 3, 4]], flattened=(2, 1, 2)).ravel()
        array([1, 3, 2, 4])
    """
    array = np.asarray(weight)
    if array.ndim != 2:
        raise ValueError(f"dense_kernel: weight must have 2 axes (units, inputs); got shape {array.shape}")
    if flattened is not None:
        if np.prod(flattened) != array.shape[1]:
            raise ValueError(
                f"dense_kernel: flattened must hold {array.shape[1]} numbers, as weight reads; got {tuple(flattened)}"
            )
        array = np.moveaxis(array.reshape(-1, *flattened), 1, -1).reshape(array.shape)
    return np.array(array.T, order="C")


def _axes(op: str, name: str, values: ArrayLike, least: int) -> Array:
    array = np.asarray(values)
    if array.ndim < least:
        raise ValueError(f"{op}: {name} must have {least} axes or more; got shape {array.shape}")
    return array
