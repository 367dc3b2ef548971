"""What one kernel call checks of its own arrays, over all calls of a step: the last one must not fail after the first.

The states are the optimizer's own, but they are in reach: their owner may have put other arrays there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .._backend import kernels
from ..optimizers.parameters import about, first_overlap, is_contiguous, is_plain, is_writable
from ..rowgrad import RowGrad

if TYPE_CHECKING:
    from .groups import ParamGroups

Array = NDArray[Any]
#: Places of parameters, and the state arrays of a call under their names.
Part = tuple[Sequence[int], Mapping[str, Sequence[Array]]]


def check_parts(optimizer: ParamGroups, parts: Sequence[Part], grads: Sequence[Any], *, new: bool) -> None:
    """Refuse state arrays that do not fit their parameters or are a gradient of any call.

    Args:
        optimizer: whose parameters and states they are.
        parts: one per kernel call.
        grads: those of all parameters, arrays, `RowGrad`s or None.
        new: whether some of the arrays have not been in a step yet; they must be apart then.

    Raises:
        TypeError: a state is no array.
        ValueError: one has another shape or dtype, is strided, read-only or overlaps what it must not.
    """
    module = kernels("gradients_fit", optimizer._arrays)
    owners: list[tuple[str, int]] = []
    states: list[Array] = []
    for places, slots in parts:
        params = [optimizer._arrays[place] for place in places]
        for name, arrays in slots.items():
            if not module.gradients_fit(params, arrays):
                for place, array in zip(places, arrays, strict=True):
                    _check_slot(optimizer, place, name, array)
            owners += [(name, place) for place in places]
            states += arrays
    if new:
        _check_apart(optimizer, owners, states)
    reads = [grad.values if isinstance(grad, RowGrad) else grad for grad in grads if grad is not None]
    if not module.arrays_apart(reads, states):
        read_by = [place for place, grad in enumerate(grads) if grad is not None]
        for place, read in zip(read_by, reads, strict=True):
            for (name, owner), state in zip(owners, states, strict=True):
                if first_overlap([read, state]) is not None:
                    labels = optimizer._labels
                    raise ValueError(
                        f"{optimizer.op}: grads{labels[place]} must not overlap the state {name!r} of "
                        f"params{labels[owner]}; got two views of one buffer"
                    )


def _check_slot(optimizer: ParamGroups, place: int, name: str, array: Any) -> None:
    where = f"{optimizer.op}: state must have {name!r} of params{optimizer._labels[place]}"
    if not is_plain(array):
        raise TypeError(f"{where} as a numpy array; got {type(array).__name__}")
    shape, dtype = optimizer.slot_spec(name, optimizer._arrays[place])
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{where} as {dtype} of shape {shape}; got {array.dtype} {array.shape}")
    if not (is_contiguous(array) and is_writable(array)):
        raise ValueError(f"{where} C-contiguous and writable; got a {about(array)}")


def _check_apart(optimizer: ParamGroups, owners: Sequence[tuple[str, int]], states: Sequence[Array]) -> None:
    overlap = first_overlap([*optimizer._arrays, *states])
    if overlap is not None:
        name, owner = owners[overlap[0] - len(optimizer._arrays)]
        raise ValueError(
            f"{optimizer.op}: state must have {name!r} of params{optimizer._labels[owner]} apart from params and "
            "other state; got two views of one buffer"
        )
