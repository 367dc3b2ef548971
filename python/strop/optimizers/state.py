"""The state of an optimizer: arrays that start as zeros, and what saving and loading do with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._names import unique_names

if TYPE_CHECKING:
    from .base import Optimizer

Array = NDArray[Any]

_LINE = 64


def aligned_zeros(like: Array) -> Array:
    """Zeros like an array, from the start of a cache line: a row of 16 floats is then one line and not two.

    Example:
        >>> aligned_zeros(np.ones((3, 16), np.float32)).ctypes.data % 64
        0
    """
    raw = np.zeros(like.nbytes + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + like.nbytes].view(like.dtype).reshape(like.shape)


def paths(params: list[Any]) -> list[str]:
    """A name for each parameter: the path of a variable, else its place."""
    return unique_names(str(getattr(param, "path", place)) for place, param in enumerate(params))


def state_tensors(optimizer: Optimizer) -> dict[str, Array]:
    """Copies of all state, keyed `<slot>/<parameter>`."""
    tensors: dict[str, Array] = {}
    for place, path in enumerate(paths(optimizer._params)):
        table = optimizer._tables.get(place)
        caught_up = table.caught_up() if table else None
        for name, arrays in optimizer._slots.items():
            tensors[f"{name}/{path}"] = caught_up[name] if caught_up else arrays[place].copy()
        if optimizer.use_ema:
            tensors[f"average/{path}"] = optimizer._averages[place].copy()
    return tensors


def load_state_tensors(optimizer: Optimizer, tensors: Mapping[str, Array]) -> None:
    """Overwrite all state; names, shapes and dtypes are checked before the first write."""
    targets: dict[str, Array] = {}
    for place, path in enumerate(paths(optimizer._params)):
        for name, arrays in optimizer._slots.items():
            targets[f"{name}/{path}"] = arrays[place]
        if optimizer.use_ema:
            targets[f"average/{path}"] = optimizer._averages[place]
    for name in sorted(set(targets) ^ set(tensors)):
        what = "lack" if name in targets else "have no"
        raise ValueError(f"{optimizer.op}: state must fit the parameters; got tensors that {what} {name!r}")
    for name, target in targets.items():
        given = tensors[name]
        if given.shape != target.shape or given.dtype != target.dtype:
            raise ValueError(
                f"{optimizer.op}: state {name!r} must be a {target.dtype} array of shape {target.shape}; "
                f"got a {given.dtype} array of shape {given.shape}"
            )
    optimizer.flush()
    for name, target in targets.items():
        target[...] = tensors[name]
