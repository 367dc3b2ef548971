"""Pictures read at places between their pixels: what shifts, rotations, zooms and crops have in common.

A sampling is a list of taps: for each output pixel a place in the picture and a weight. Forward sums what the taps
read, backward adds the gradient where they read, so the two are adjoint to each other by construction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")


class Sampling:
    """Where each pixel of the output is read.

    Args:
        rows: height coordinates in the input, float64, (N, H, W) or what broadcasts to it.
        columns: width coordinates, the same.
        shape: (N, height, width) of the input.
        interpolation: `"bilinear"`, or `"nearest"` pixel.
        fill_mode: what lies outside: `"reflect"` (d c b a | a b c d | d c b a), `"wrap"` (a b c d | a b c d | ...),
            `"nearest"` (a a a a | a b c d | d d d d), or `"constant"`.
        fill_value: the constant.
    """

    def __init__(
        self,
        rows: Array,
        columns: Array,
        shape: tuple[int, int, int],
        interpolation: str = "bilinear",
        fill_mode: str = "nearest",
        fill_value: float = 0.0,
    ) -> None:
        self.shape, self.fill_value = shape, fill_value
        self.size = np.broadcast_shapes(rows.shape, columns.shape)
        count, height, width = shape
        first = np.arange(count)[:, None, None] * (height * width)
        #: Flat place and weight of each tap, and the weight of the constant.
        self.taps: list[tuple[Array, Array]] = []
        self.outside: Array | None = None
        down, across = (_taps(c, interpolation) for c in (rows, columns))
        for row, row_weight in down:
            row, row_inside = _folded(row, height, fill_mode)
            for column, column_weight in across:
                column, column_inside = _folded(column, width, fill_mode)
                weight = row_weight * column_weight
                if fill_mode == "constant":
                    inside = row_inside & column_inside
                    lost = np.broadcast_to(np.where(inside, 0.0, weight), self.size)
                    self.outside = lost if self.outside is None else self.outside + lost
                    weight = np.where(inside, weight, 0.0)
                place = np.broadcast_to(first + row * width + column, self.size)
                self.taps.append((place, np.broadcast_to(weight, self.size)))

    def forward(self, x: Array) -> Array:
        """The pictures as they are read: (N, height, width, C) becomes (N, H, W, C)."""
        pixels = x.reshape(-1, x.shape[-1])
        y = np.zeros((*self.size, x.shape[-1]), x.dtype)
        for place, weight in self.taps:
            # where, not a product alone: a pixel that is not read may be NaN
            part = pixels[place] * weight[..., None].astype(x.dtype)
            y += np.where(weight[..., None] == 0, x.dtype.type(0), part)
        if self.outside is not None and self.fill_value:
            y += (self.outside * self.fill_value)[..., None].astype(x.dtype)
        return y

    def backward(self, grad: Array) -> Array:
        """The gradient by the pictures."""
        count, height, width = self.shape
        result = np.zeros((count * height * width, grad.shape[-1]), grad.dtype)
        for place, weight in self.taps:
            np.add.at(result, place, grad * weight[..., None].astype(grad.dtype))
        return result.reshape(count, height, width, grad.shape[-1])


def _taps(coordinate: Array, interpolation: str) -> list[tuple[Array, Array]]:
    """Whole places along one axis, and their weights."""
    # 1e-9 of a pixel is rounding: a quarter turn must give the pixels themselves.
    whole = np.rint(coordinate)
    coordinate = np.where(np.abs(coordinate - whole) < 1e-9, whole, coordinate)
    if interpolation == "nearest":
        return [(np.floor(coordinate + 0.5).astype(np.int64), np.ones(coordinate.shape))]
    low = np.floor(coordinate)
    share = coordinate - low
    place = low.astype(np.int64)
    return [(place, 1 - share), (place + 1, share)]


def _folded(place: Array, size: int, mode: str) -> tuple[Array, Array]:
    """Places inside the picture, and which were so before."""
    inside = (place >= 0) & (place < size)
    if mode == "wrap":
        return place % size, inside
    if mode == "reflect":
        turned = place % (2 * size)
        return np.where(turned < size, turned, 2 * size - 1 - turned), inside
    return np.clip(place, 0, size - 1), inside


def affine(matrix: Array, height: int, width: int) -> tuple[Array, Array]:
    """Input coordinates of every output pixel.

    Args:
        matrix: float64, (N, 6): column' = m0 column + m1 row + m2, row' = m3 column + m4 row + m5.
        height: of the output.
        width: of the output.

    Returns:
        Rows and columns, (N, height, width).
    """
    m = matrix[:, :, None, None]
    row, column = np.arange(height)[:, None], np.arange(width)
    return m[:, 3] * column + m[:, 4] * row + m[:, 5], m[:, 0] * column + m[:, 1] * row + m[:, 2]


def resized(count: int, box: tuple[int, int, int, int], height: int, width: int) -> tuple[Array, Array]:
    """Input coordinates of a part of each picture (top, left, its height, its width) in another size."""
    top, left, box_height, box_width = box
    rows = (np.arange(height) + 0.5) * (box_height / height) - 0.5
    columns = (np.arange(width) + 0.5) * (box_width / width) - 0.5
    rows = top + np.clip(rows, 0, box_height - 1)
    columns = left + np.clip(columns, 0, box_width - 1)
    ones = np.ones((count, 1, 1))
    return ones * rows[:, None], ones * columns
