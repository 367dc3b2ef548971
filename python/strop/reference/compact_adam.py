"""Adam with moments of 16 and 8 bits, the arithmetic in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adam import adam_step

Array = NDArray[Any]
Float64 = NDArray[np.float64]

#: Elements of a row that share one scale.
BLOCK = 256
#: What a step rounds by: constants of lowbias32 (Wellons 2018).
MULTIPLIERS = (0x7FEB352D, 0x846CA68B)


# ---- bfloat16 --------------------------------------------------------------


def mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """32 bits that look like chance, from 32 bits that count."""
    low = np.uint64(0xFFFFFFFF)
    x = ((x ^ (x >> np.uint64(16))) * np.uint64(MULTIPLIERS[0])) & low
    x = ((x ^ (x >> np.uint64(15))) * np.uint64(MULTIPLIERS[1])) & low
    return x ^ (x >> np.uint64(16))


def chances(step: int, shape: tuple[int, ...]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """What the two moments of each element are rounded by, uniform in [0, 65536)."""
    element = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
    chance = mixed(element ^ mixed(np.array([step], np.uint64))[0])
    return chance & np.uint64(0xFFFF), chance >> np.uint64(16)


def from_bfloat16(x: NDArray[np.uint16]) -> Float64:
    """The numbers that the bits are.

    Example:
        >>> from_bfloat16(np.array([0x3F80, 0xC000], np.uint16))
        array([ 1., -2.])
    """
    return (x.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def to_bfloat16(x: Array, chance: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Finite numbers, rounded up where `chance` of 65,536 reaches what the upper half cuts off.

    Example:
        >>> third = np.full(3, 1 / 3)
        >>> from_bfloat16(to_bfloat16(third, np.array([0, 20_000, 65_535], np.uint64)))
        array([0.33203125, 0.33203125, 0.33398438])
    """
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + chance) >> np.uint64(16)).astype(np.uint16)


# ---- 8 bits ----------------------------------------------------------------


def dynamic_map(signed: bool) -> Float64:
    """What each of the 256 codes stands for: the middles of cells in seven decades, 0, and 1.

    Example:
        >>> dynamic_map(signed=False)[[0, 1, 127, 254, 255]]
        array([0.00000000e+00, 3.25000000e-07, 1.03515625e-01, 9.96484375e-01,
               1.00000000e+00])
    """
    found = [0.0, 1.0]
    for decade in range(7):
        edges = np.linspace(0.1, 1, (1 if signed else 2) * 2**decade + 1) * 10.0 ** (decade - 6)
        middles = (edges[1:] + edges[:-1]) / 2
        found += [*middles, *(-middles if signed else [])]
    return np.sort(found)


def cells(signed: bool) -> Float64:
    """From where on each positive code but that of 1 is the nearest: half-way from the one below it."""
    found = []
    for decade in range(7):
        edges = np.linspace(0.1, 1, (1 if signed else 2) * 2**decade + 1)
        edges[0] += 0.2 * (edges[1] - edges[0])  # half-way to the narrower cells of the decade below
        found.append(edges[:-1] * 10.0 ** (decade - 6))
    return np.concatenate(found)


def codes_of(x: Float64, signed: bool) -> NDArray[np.uint8]:
    """The codes of numbers in [-1, 1], or in [0, 1]."""
    size = np.abs(x)
    k = np.searchsorted(cells(signed), size, side="right")
    if not signed:
        k = np.where(size > 0, np.maximum(k, 1), 0)
        return np.where(size >= 1 - 0.225 / 128, 255, k).astype(np.uint8)
    k = np.where(size >= 1 - 0.225 / 64, np.where(x < 0, 127, 128), k)
    return (127 + np.where(x < 0, -k, k)).astype(np.uint8)


def packed_width(width: int) -> int:
    """Bytes of a packed row: a code for each element, a float32 for each block."""
    return width + 4 * -(-width // BLOCK)


def unpack(packed: NDArray[np.uint8], width: int, signed: bool) -> Float64:
    """The numbers, (rows, width), of packed rows."""
    scales = np.ascontiguousarray(packed[:, width:]).view(np.float32).astype(np.float64)
    return dynamic_map(signed)[packed[:, :width]] * np.repeat(scales, BLOCK, axis=1)[:, :width]


def pack(values: Float64, signed: bool) -> NDArray[np.uint8]:
    """Packed rows of (rows, width): each number as a share of the greatest size in its block."""
    rows, width = values.shape
    packed = np.zeros((rows, packed_width(width)), np.uint8)
    for block, begin in enumerate(range(0, width, BLOCK)):
        part = values[:, begin : begin + BLOCK]
        top = np.abs(part).max(axis=1, keepdims=True).astype(np.float32)
        share = np.divide(part, top, out=np.zeros_like(part), where=top > 0)
        packed[:, begin : begin + part.shape[1]] = codes_of(share, signed)
        packed[:, width + 4 * block : width + 4 * block + 4] = top.view(np.uint8)
    return packed


# ---- a step ----------------------------------------------------------------


def expand(moment: Array, shape: tuple[int, ...], which: int) -> Float64:
    """The numbers of a first (1) or second (2) moment, of the shape of its parameter."""
    if moment.dtype == np.uint16:
        return from_bfloat16(moment)
    if moment.dtype != np.uint8:
        return moment.astype(np.float64)
    width = moment.shape[1] - 4 * -(-moment.shape[1] // (BLOCK + 4))
    values = unpack(moment, width, which == 1)
    return (values if which == 1 else values**2).reshape(shape)


def compact_adam_step(
    param: Array, grad: Array, moment1: Array, moment2: Array, *, step: int, **settings: Any
) -> tuple[Float64, Array, Array]:
    """The new (param, moment1, moment2), the moments kept as they came: float32, uint16 or uint8.

    Example:
        >>> one, moment = np.ones((2, 3)), np.zeros((2, 7), np.uint8)
        >>> param, first, _ = compact_adam_step(one, one, moment, moment, step=1, learning_rate=0.1)
        >>> param[0].round(4), first[0, :3]
        (array([0.9, 0.9, 0.9]), array([255, 255, 255], dtype=uint8))
    """
    m, v = expand(moment1, param.shape, 1), expand(moment2, param.shape, 2)
    p, m, v, _ = adam_step(param, grad, m, v, step=step, **settings)
    if moment1.dtype == np.uint16:
        first, second = chances(step, param.shape)
        return p, to_bfloat16(m, first), to_bfloat16(v, second)
    if moment1.dtype == np.uint8:
        rows = moment1.shape[0]
        return p, pack(m.reshape(rows, -1), True), pack(np.sqrt(v).reshape(rows, -1), False)
    return p, m.astype(np.float32), v.astype(np.float32)
