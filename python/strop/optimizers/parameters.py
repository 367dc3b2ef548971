"""Parameters and gradients as a caller hands them over: checked before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._names import unique_names
from ..rowgrad import RowGrad

if TYPE_CHECKING:
    from .state import OptimizerState

Array = NDArray[Any]


def array_of(param: Any) -> Array:
    """The live array of a parameter, which is an array itself or a layer's variable."""
    result: Array = getattr(param, "_value", param)
    return result


def paths(params: list[Any]) -> list[str]:
    """A name for each parameter: the path of a variable, else its place."""
    return unique_names(str(getattr(param, "path", place)) for place, param in enumerate(params))


def check_params(op: str, params: Sequence[Any]) -> list[Array]:
    """The live arrays, if they can all be updated in place by one call.

    Raises:
        TypeError: one is no array, or has another dtype than the first.
        ValueError: one is strided, read-only or overlaps another.
    """
    arrays = [array_of(p) for p in params]
    for i, array in enumerate(arrays):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{op}: params[{i}] must be a numpy array; got {type(array).__name__}")
        about = f"{array.dtype} array of shape {array.shape}"
        if array.dtype not in (np.float32, np.float64):
            raise TypeError(f"{op}: params[{i}] must be float32 or float64; got a {about}")
        if array.dtype != arrays[0].dtype:
            raise TypeError(f"{op}: params[{i}] must be {arrays[0].dtype} like params[0]; got a {about}")
        if not array.flags.c_contiguous:
            raise ValueError(
                f"{op}: params[{i}] must be C-contiguous; got a strided {about}; use numpy.ascontiguousarray"
            )
        if not array.flags.writeable:
            raise ValueError(f"{op}: params[{i}] must be writable; got a read-only {about}")
        for j, other in enumerate(arrays[:i]):
            if array.size and np.may_share_memory(array, other):
                raise ValueError(
                    f"{op}: params[{i}] must not overlap params[{j}]; got two views of one buffer"
                )
    return arrays


def check_grads(op: str, grads: Sequence[Any], arrays: list[Array]) -> None:
    """Refuse gradients that do not fit their parameters.

    Raises:
        TypeError: one is no array or has another dtype.
        ValueError: counts or shapes differ, one is strided, a parameter has become read-only, or all are None.
    """
    if len(grads) != len(arrays):
        raise ValueError(f"{op}: grads must be as many as params ({len(arrays)}); got {len(grads)}")
    present = False
    for i, (grad, array) in enumerate(zip(grads, arrays, strict=True)):
        if grad is None:
            continue
        present = True
        if isinstance(grad, np.ndarray):
            if not grad.flags.c_contiguous:
                raise ValueError(
                    f"{op}: grads[{i}] must be C-contiguous; got a strided {grad.dtype} array of shape "
                    f"{grad.shape}; use numpy.ascontiguousarray"
                )
        elif not isinstance(grad, RowGrad):
            raise TypeError(f"{op}: grads[{i}] must be a numpy array or a RowGrad; got {type(grad).__name__}")
        if grad.shape != array.shape:
            raise ValueError(
                f"{op}: grads[{i}] must have the shape of params[{i}] {array.shape}; got {grad.shape}"
            )
        if grad.dtype != array.dtype:
            raise TypeError(
                f"{op}: grads[{i}] must be {array.dtype} like params[{i}]; "
                f"got a {grad.dtype} array of shape {grad.shape}"
            )
        if not array.flags.writeable:
            raise ValueError(
                f"{op}: params[{i}] must be writable; got a read-only {array.dtype} array of shape {array.shape}"
            )
    if not present:
        raise ValueError(f"{op}: grads must have at least one that is not None; got none")


def adopt(optimizer: OptimizerState, params: Sequence[Any]) -> None:
    """Take other arrays of the same shapes in the same places: identity is by position.

    Raises:
        ValueError: counts, shapes or dtypes differ from those of the first call.
    """
    arrays = check_params(optimizer.op, params)
    if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in optimizer._arrays]:
        shapes = ", ".join(str(a.shape) for a in optimizer._arrays)
        raise ValueError(
            f"{optimizer.op}: params must have the shapes of the first call, {shapes}; "
            f"got {', '.join(str(a.shape) for a in arrays)}"
        )
    for place, table in optimizer._tables.items():
        table.flush()
        table.param = arrays[place]
        for param, held in ((optimizer._params[place], None), (params[place], table)):
            if hasattr(param, "deferred"):
                param.deferred = held
    optimizer._params, optimizer._arrays = list(params), arrays
    optimizer._dense = ([], [], {}, [])
