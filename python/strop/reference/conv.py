"""Convolution of images, channels last, its activations and its gradients in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .matmul import _activate, _slope

Float64 = NDArray[np.float64]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def _windows(
    x: Float64, kernel_size: Pair, strides: Pair, padding: Pads, dilation: Pair
) -> tuple[Float64, list[list[tuple[slice, slice]]]]:
    """The padded image, and for each tap of the kernel the pixels that it meets, one for each output."""
    padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    axes = []
    for size, taps, stride, step in zip(padded.shape[1:3], kernel_size, strides, dilation, strict=True):
        outputs = max((size - (taps - 1) * step - 1) // stride + 1, 0)
        axes.append(
            [slice(t * step, t * step + max((outputs - 1) * stride + 1, 0), stride) for t in range(taps)]
        )
    return padded, [[(row, column) for column in axes[1]] for row in axes[0]]


def conv(
    x: NDArray[Any],
    kernel: NDArray[Any],
    *,
    strides: Pair = (1, 1),
    padding: Pads = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: NDArray[Any] | None = None,
    activation: str | None = None,
) -> Float64:
    """activation(conv(x, kernel) + bias): (N, H, W, C), (KH, KW, C / groups, F) -> (N, OH, OW, F).

    Example:
        >>> x = np.array([1.0, 0, 0, 2]).reshape(1, 1, 4, 1)
        >>> conv(x, np.array([1.0, 2, 3]).reshape(1, 3, 1, 1)).ravel()
        array([1., 6.])
    """
    weight = np.asarray(kernel, np.float64)
    padded, taps = _windows(np.asarray(x, np.float64), weight.shape[:2], strides, padding, dilation)
    parts = []
    for part, own in zip(np.split(padded, groups, 3), np.split(weight, groups, 3), strict=True):
        terms = [
            part[:, rows, columns] @ own[i, j]
            for i, line in enumerate(taps)
            for j, (rows, columns) in enumerate(line)
        ]
        parts.append(np.sum(terms, axis=0))
    z = np.concatenate(parts, axis=3)
    return _activate(z if bias is None else z + np.asarray(bias, np.float64), activation)


def conv_backward(
    grad: NDArray[Any],
    x: NDArray[Any],
    kernel: NDArray[Any],
    *,
    strides: Pair = (1, 1),
    padding: Pads = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
    output: NDArray[Any] | None = None,
    activation: str | None = None,
) -> tuple[Float64, Float64, Float64]:
    """(grad_x, grad_kernel, grad_bias) of output = activation(conv(x, kernel) + bias).

    Example:
        >>> x = np.array([1.0, 0, 0, 2]).reshape(1, 1, 4, 1)
        >>> kernel = np.array([1.0, 2, 3]).reshape(1, 3, 1, 1)
        >>> grad_x, grad_kernel, grad_bias = conv_backward(np.ones((1, 1, 2, 1)), x, kernel)
        >>> grad_x.ravel(), grad_kernel.ravel(), grad_bias
        (array([1., 3., 5., 3.]), array([1., 0., 2.]), array([2.]))
    """
    weight, dz = np.asarray(kernel, np.float64), np.asarray(grad, np.float64)
    if output is not None:
        dz = dz * _slope(np.asarray(output, np.float64), activation)
    padded, taps = _windows(np.asarray(x, np.float64), weight.shape[:2], strides, padding, dilation)
    grad_padded, grad_kernel = np.zeros_like(padded), np.zeros_like(weight)
    inputs, outputs = padded.shape[3] // groups, weight.shape[3] // groups
    for g in range(groups):
        ins, outs = slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)
        own = dz[..., outs]
        for i, line in enumerate(taps):
            for j, (rows, columns) in enumerate(line):
                grad_padded[:, rows, columns, ins] += own @ weight[i, j, :, outs].T
                grad_kernel[i, j, :, outs] += np.einsum("nijc,nijf->cf", padded[:, rows, columns, ins], own)
    (top, _), (left, _) = padding
    grad_x = grad_padded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return grad_x, grad_kernel, dz.sum(axis=(0, 1, 2))
