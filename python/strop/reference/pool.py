"""Pooling over windows in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Pads = tuple[tuple[int, int], tuple[int, int]]
Place = tuple[int, int]


def _windows(
    shape: tuple[int, ...], window: Place, strides: Place, padding: Pads
) -> Iterator[tuple[int, int, slice, slice]]:
    """Place in the output, and the rows and columns of x (N, H, W, C) that its window has."""
    (top, bottom), (left, right) = padding
    for i in range((shape[1] + top + bottom - window[0]) // strides[0] + 1):
        for j in range((shape[2] + left + right - window[1]) // strides[1] + 1):
            y, x = i * strides[0] - top, j * strides[1] - left
            yield i, j, slice(max(y, 0), y + window[0]), slice(max(x, 0), x + window[1])


def _out_shape(
    shape: tuple[int, ...], window: Place, strides: Place, padding: Pads
) -> tuple[int, int, int, int]:
    last = max(_windows(shape, window, strides, padding), key=lambda place: place[:2])
    return shape[0], last[0] + 1, last[1] + 1, shape[3]


def max_pool(x: NDArray[Any], window: Place, strides: Place, padding: Pads) -> Float64:
    """The greatest of each window; NaN where there is one.

    Example:
        >>> max_pool(np.arange(9.0).reshape(1, 3, 3, 1), (2, 2), (1, 1), ((0, 0), (0, 0))).ravel()
        array([4., 5., 7., 8.])
    """
    x = np.asarray(x, np.float64)
    out = np.empty(_out_shape(x.shape, window, strides, padding))
    for i, j, rows, columns in _windows(x.shape, window, strides, padding):
        out[:, i, j] = x[:, rows, columns].max(axis=(1, 2))
    return out


def average_pool(x: NDArray[Any], window: Place, strides: Place, padding: Pads) -> Float64:
    """The mean of each window, without its padding.

    Example:
        >>> average_pool(np.arange(9.0).reshape(1, 3, 3, 1), (2, 2), (2, 2), ((0, 1), (0, 1))).ravel()
        array([2. , 3.5, 6.5, 8. ])
    """
    x = np.asarray(x, np.float64)
    out = np.empty(_out_shape(x.shape, window, strides, padding))
    for i, j, rows, columns in _windows(x.shape, window, strides, padding):
        out[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
    return out


def max_pool_backward(
    grad: NDArray[Any], x: NDArray[Any], window: Place, strides: Place, padding: Pads
) -> Float64:
    """The gradient goes to the first of the greatest, or to the first NaN.

    Example:
        >>> x = np.zeros((1, 1, 2, 1))
        >>> max_pool_backward(np.ones((1, 1, 1, 1)), x, (1, 2), (1, 2), ((0, 0), (0, 0)))[0, 0, :, 0]
        array([1., 0.])
    """
    grad, x = np.asarray(grad, np.float64), np.asarray(x, np.float64)
    grad_x = np.zeros_like(x)
    samples, channels = np.ogrid[: x.shape[0], : x.shape[3]]
    for i, j, rows, columns in _windows(x.shape, window, strides, padding):
        part = x[:, rows, columns]
        place = part.reshape(x.shape[0], -1, x.shape[3]).argmax(axis=1)
        row, column = np.divmod(place, part.shape[2])
        grad_x[samples, rows.start + row, columns.start + column, channels] += grad[:, i, j]
    return grad_x


def average_pool_backward(
    grad: NDArray[Any], shape: tuple[int, ...], window: Place, strides: Place, padding: Pads
) -> Float64:
    """The gradient in equal shares to all that the window has.

    Example:
        >>> average_pool_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 1), (1, 2), (1, 2), ((0, 0), (0, 0)))[0, 0, :, 0]
        array([0.5, 0.5])
    """
    grad_x = np.zeros(shape)
    for i, j, rows, columns in _windows(shape, window, strides, padding):
        part = grad_x[:, rows, columns]
        part += np.asarray(grad, np.float64)[:, i : i + 1, j : j + 1] / (part.shape[1] * part.shape[2])
    return grad_x
