"""The samples of one call on the device of the model: moved once if they fit, else some batches at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._backend import array_module, on_gpu
from .._device import Device, free_bytes, to_device, to_host
from .data import Data
from .structure import leaves

Array = NDArray[Any]

#: Share of the free memory that the samples of a call may take for good; steps and the optimizer need the rest.
SHARE = 0.5
#: Steps whose predictions are held back until the metrics see them together, since their cost is per call; and
#: batches that are moved at a time where the samples do not fit.
BLOCK = 64


def batches(data: Data, size: int, order: Array | None, count: int, device: Device) -> Iterator[Data]:
    """The first `count` batches of `size` samples on a device, in an order of the samples or in their own."""
    if device.is_gpu:
        yield from _on_device(data, size, order, count, device)
        return
    for i in range(count):
        begin, end = i * size, min((i + 1) * size, len(data))
        yield data.part(begin, end) if order is None else data.take(order[begin:end])


def _on_device(data: Data, size: int, order: Array | None, count: int, device: Device) -> Iterator[Data]:
    whole = resident(data, device)
    end = min(count * size, len(data))
    if whole is not None:
        places = None if order is None else to_device(order[:end], device)
        for begin in range(0, end, size):
            stop = min(begin + size, end)
            yield whole.part(begin, stop) if places is None else taken(whole, places[begin:stop])
        return
    for begin in range(0, end, BLOCK * size):
        stop = min(begin + BLOCK * size, end)
        block = moved(data.part(begin, stop) if order is None else data.take(order[begin:stop]), device)
        for first in range(0, stop - begin, size):
            yield block.part(first, min(first + size, stop - begin))


def resident(data: Data, device: Device) -> Data | None:
    """All samples on the device, moved at the first call and kept with `data`; None if they take too much of it."""
    if device not in data.on_device:
        fits = on_gpu(leaves(data.x)[0]) or data.nbytes_on_host <= SHARE * free_bytes(device)
        data.on_device[device] = moved(data, device) if fits else None
    kept: Data | None = data.on_device[device]
    return kept


def moved(data: Data, device: Device) -> Data:
    """The samples on a device; what is there already is not copied."""
    return data.mapped(lambda array: to_device(array, device))


def taken(data: Data, rows: Array) -> Data:
    """The samples of these rows, all on a GPU."""
    return data.mapped(lambda array: take_rows(array, rows))


def take_rows(array: Array, rows: Array) -> Array:
    """Rows of an array on a GPU, by the kernel that looks up rows of a table, which copies bits whatever they mean."""
    floats = {4: np.float32, 8: np.float64}[array.dtype.itemsize]
    flat = array.reshape(len(array), math.prod(array.shape[1:])).view(floats)
    result: Array = ops.embedding_lookup(flat, rows).view(array.dtype).reshape(len(rows), *array.shape[1:])
    return result


def joined_on_host(parts: Sequence[Array]) -> Array:
    """Arrays one after another, on the host; those of a GPU come in one copy, for which the host waits."""
    if not on_gpu(parts[0]):
        return np.concatenate(parts)
    return to_host(joined(parts))


def joined(parts: Sequence[Array]) -> Array:
    """Arrays of a GPU one after another, there: copies within its memory, which need no kernel."""
    if len(parts) == 1:
        return parts[0]
    whole: Array = array_module(parts[0]).empty(
        (sum(len(p) for p in parts), *parts[0].shape[1:]), parts[0].dtype
    )
    begin = 0
    for part in parts:
        whole[begin : begin + len(part)] = part
        begin += len(part)
    return whole


def numbers_on_host(values: Sequence[Any]) -> list[float]:
    """Floats and arrays without axes as floats."""
    if not any(on_gpu(v) for v in values):
        return [float(v) for v in values]
    fetched: list[float] = joined_on_host([v.reshape(1) for v in values]).tolist()
    return fetched
