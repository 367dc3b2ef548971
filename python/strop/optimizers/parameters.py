"""Parameters and gradients as a caller hands them over: checked before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._backend import check_cuda, kernels, on_gpu
from .._device import device_of
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


def is_plain(array: Any) -> bool:
    """Whether this is an array that means what its memory says: NumPy's, no matrix, no masked array; or CuPy's."""
    return type(array) is np.ndarray or on_gpu(array) or isinstance(array, np.memmap)


def is_contiguous(array: Any) -> bool:
    """Whether its elements stand one after the other in C order, aligned."""
    return bool(array.flags.c_contiguous) and getattr(array.flags, "aligned", True)


def is_writable(array: Any) -> bool:
    """Whether it may be written; CuPy knows no others."""
    return getattr(array.flags, "writeable", True)


def way_to_contiguous(array: Any) -> str:
    """The function that makes it so, for messages."""
    return f"use {'cupy' if on_gpu(array) else 'numpy'}.ascontiguousarray"


def check_place(op: str, name: str, array: Any, first: str, like: Any) -> None:
    """Refuse an array that does not live where another one does, or whose memory has been freed.

    Raises:
        TypeError: it is of another library, or on another device.
        ValueError: it has been freed.
    """
    if on_gpu(array) != on_gpu(like):
        wanted, got = ("cupy", "numpy") if on_gpu(like) else ("numpy", "cupy")
        way_out = "; move it with cupy.asarray" if on_gpu(like) else "; move it with .get()"
        raise TypeError(
            f"{op}: {name} must be a {wanted} array like {first}; got a {got} array of shape {array.shape}{way_out}"
        )
    if not on_gpu(array):
        return
    if device_of(array) != device_of(like):
        number = device_of(like).number
        raise TypeError(
            f"{op}: {name} must be on device {number} like {first}; got a {about(array)} on device "
            f"{device_of(array).number}; move it with cupy.asarray under cupy.cuda.Device({number})"
        )
    if array.size and not array.data.mem.ptr:
        raise ValueError(f"{op}: {name} must hold memory; got a freed {about(array)}")


def about(array: Array) -> str:
    """`float32 array of shape (3, 4)`, for messages."""
    return f"{array.dtype} array of shape {array.shape}"


def places(count: int) -> list[str]:
    """What follows the argument's name in messages where parameters are a list: `[0]`, `[1]` ..."""
    return [f"[{i}]" for i in range(count)]


def first_overlap(arrays: Sequence[Array]) -> tuple[int, int] | None:
    """The places of two arrays with memory in common, the later one first; None where all are apart.

    Example:
        >>> whole = np.zeros(4)
        >>> first_overlap([np.zeros(2), whole, whole[2:]])
        (2, 1)
    """
    starts = [_address(a) for a in arrays]
    spans = [(starts[i], starts[i] + a.nbytes, i) for i, a in enumerate(arrays) if a.size]
    spans.sort()
    for (_, end, i), (begin, _, j) in pairwise(spans):
        if begin < end:
            return max(i, j), min(i, j)
    return None


def _address(array: Any) -> int:
    return int(array.data.ptr) if on_gpu(array) else int(array.ctypes.data)


def check_params(op: str, params: Sequence[Any], labels: Sequence[str] | None = None) -> list[Array]:
    """The live arrays, if they can all be updated in place by one call.

    Args:
        op: the optimizer, as messages begin.
        params: arrays or variables.
        labels: what follows `params` in messages; `[0]`, `[1]` ... where None.

    Raises:
        TypeError: one is no array, or has another dtype than the first.
        ValueError: one is strided, read-only or overlaps another.
        NotImplementedError: one is a CuPy array, and this build has no CUDA kernels.
    """
    given: Any = params
    if isinstance(given, np.ndarray) or on_gpu(given):
        raise TypeError(f"{op}: params must be a list of arrays; got a {about(given)}; write [param]")
    arrays = [array_of(p) for p in params]
    labels = labels or places(len(arrays))
    for array, label in zip(arrays, labels, strict=True):
        if not is_plain(array):
            raise TypeError(f"{op}: params{label} must be a numpy array; got {type(array).__name__}")
        check_place(op, f"params{label}", array, f"params{labels[0]}", arrays[0])
        if array.dtype not in (np.float32, np.float64):
            raise TypeError(f"{op}: params{label} must be float32 or float64; got a {about(array)}")
        if array.dtype != arrays[0].dtype:
            raise TypeError(
                f"{op}: params{label} must be {arrays[0].dtype} like params{labels[0]}; got a {about(array)}"
            )
        if not is_contiguous(array):
            raise ValueError(
                f"{op}: params{label} must be C-contiguous; got a strided {about(array)}; "
                f"{way_to_contiguous(array)}"
            )
        if not is_writable(array):
            raise ValueError(f"{op}: params{label} must be writable; got a read-only {about(array)}")
    if arrays and on_gpu(arrays[0]):
        check_cuda(op)
    overlap = first_overlap(arrays)
    if overlap is not None:
        late, early = (labels[i] for i in overlap)
        raise ValueError(f"{op}: params{late} must not overlap params{early}; got two views of one buffer")
    return arrays


def check_grads(
    op: str,
    grads: Sequence[Any],
    arrays: list[Array],
    labels: Sequence[str] | None = None,
    *,
    required: bool = True,
) -> None:
    """Refuse gradients that do not fit their parameters; None stands for no gradient.

    Args:
        op: the optimizer, as messages begin.
        grads: arrays, `RowGrad`s or None.
        arrays: the parameters.
        labels: what follows `grads` and `params` in messages; `[0]`, `[1]` ... where None.
        required: whether one must be there.

    Raises:
        TypeError: one is no array or has another dtype.
        IndexError: a row was changed to one outside the parameter.
        ValueError: counts or shapes differ, one is strided or overlaps a parameter, a parameter has become
            read-only, or all are None.
    """
    if len(grads) != len(arrays):
        raise ValueError(f"{op}: grads must be as many as params ({len(arrays)}); got {len(grads)}")
    labels = labels or places(len(arrays))
    memory: list[tuple[int, Array]] = []
    for i, (grad, array, label) in enumerate(zip(grads, arrays, labels, strict=True)):
        if grad is None:
            continue
        values = grad.values if isinstance(grad, RowGrad) else grad
        if not is_plain(values):
            raise TypeError(
                f"{op}: grads{label} must be a numpy array or a RowGrad; got {type(grad).__name__}"
            )
        check_place(op, f"grads{label}", values, f"params{label}", array)
        if isinstance(grad, RowGrad):
            check_rows(op, f"grads{label}", grad)
        elif not is_contiguous(grad):
            raise ValueError(
                f"{op}: grads{label} must be C-contiguous; got a strided {about(grad)}; {way_to_contiguous(grad)}"
            )
        memory.append((i, values))
        if grad.shape != array.shape:
            raise ValueError(
                f"{op}: grads{label} must have the shape of params{label} {array.shape}; got {grad.shape}"
            )
        if grad.dtype != array.dtype:
            raise TypeError(
                f"{op}: grads{label} must be {array.dtype} like params{label}; "
                f"got a {grad.dtype} array of shape {grad.shape}"
            )
        if not is_writable(array):
            raise ValueError(f"{op}: params{label} must be writable; got a read-only {about(array)}")
    if required and not memory:
        raise ValueError(f"{op}: grads must have at least one that is not None; got none")
    if memory and not kernels("arrays_apart", arrays).arrays_apart([grad for _, grad in memory], arrays):
        for i, grad in memory:
            for j, array in enumerate(arrays):
                if first_overlap([grad, array]) is not None:
                    raise ValueError(
                        f"{op}: grads{labels[i]} must not overlap params{labels[j]}; "
                        "got two views of one buffer"
                    )


def check_rows(op: str, name: str, grad: RowGrad) -> None:
    """Refuse rows that somebody has changed since the `RowGrad` checked them.

    Raises:
        IndexError: one is outside the parameter.
    """
    rows = grad.rows
    if on_gpu(rows):
        return  # the kernels look at them, and note a bad one
    if rows.size and not (rows.min() >= 0 and rows.max() < grad.shape[0]):
        at = int(np.flatnonzero((rows < 0) | (rows >= grad.shape[0]))[0])
        raise IndexError(f"{op}: rows of {name} must lie in [0, {grad.shape[0]}); got {rows[at]} at ({at},)")


def places_of(params: Sequence[Any], arrays: list[Array]) -> list[int] | None:
    """Where parameters stand among those of the first call; None if one is new or comes twice."""
    known = {id(array): place for place, array in enumerate(arrays)}
    places = [known.get(id(array_of(param)), -1) for param in params]
    return places if -1 not in places and len(set(places)) == len(places) else None


def adopt(optimizer: OptimizerState, params: Sequence[Any]) -> None:
    """Take other arrays of the same shapes in the same places: identity is by position.

    Raises:
        ValueError: counts or shapes differ from those of the first call.
        TypeError: the dtype does.
    """
    arrays = check_params(optimizer.op, params)
    if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in optimizer._arrays]:
        if [a.shape for a in arrays] == [a.shape for a in optimizer._arrays]:
            raise TypeError(
                f"{optimizer.op}: params must be {optimizer._arrays[0].dtype} as in the first call, like the "
                f"optimizer's state; got {arrays[0].dtype}"
            )
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
