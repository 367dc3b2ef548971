"""Convolution of each channel by kernels of its own, and its gradients in float64: as groups of one channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .conv import Float64, conv, conv_backward


def _as_groups(kernel: NDArray[Any]) -> Float64:
    """(KH, KW, C, D) as (KH, KW, 1, C D), one group per channel."""
    weight = np.asarray(kernel, np.float64)
    height, width, channels, multiplier = weight.shape
    return weight.reshape(height, width, 1, channels * multiplier)


def depthwise_conv(x: NDArray[Any], kernel: NDArray[Any], **settings: Any) -> Float64:
    """activation(z + bias): (N, H, W, C), (KH, KW, C, D) -> (N, OH, OW, C D).

    Example:
        >>> depthwise_conv(np.array([[[[2.0, 3.0]]]]), np.array([[[[1.0, 10.0], [1.0, 100.0]]]])).ravel()
        array([  2.,  20.,   3., 300.])
    """
    return conv(x, _as_groups(kernel), groups=np.shape(kernel)[2], **settings)


def depthwise_conv_backward(
    grad: NDArray[Any], x: NDArray[Any], kernel: NDArray[Any], **settings: Any
) -> tuple[Float64, Float64, Float64]:
    """(grad_x, grad_kernel, grad_bias) of output = depthwise_conv(x, kernel, ...).

    Example:
        >>> x, kernel = np.array([[[[2.0, 3.0]]]]), np.ones((1, 1, 2, 1))
        >>> [part.ravel() for part in depthwise_conv_backward(np.array([[[[1.0, 10.0]]]]), x, kernel)]
        [array([ 1., 10.]), array([ 2., 30.]), array([ 1., 10.])]
    """
    grad_x, grad_kernel, grad_bias = conv_backward(
        grad, x, _as_groups(kernel), groups=np.shape(kernel)[2], **settings
    )
    return grad_x, grad_kernel.reshape(np.shape(kernel)), grad_bias
