"""What the passes of a plan share: steps one after another, weights of a loss under a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .._backend import array_module

Array = NDArray[Any]


def through(
    steps: Sequence[Any], x: Array, mask: Array | None, training: bool, tape: list[Any]
) -> tuple[Array, Array | None]:
    """Output and mask behind some steps; what backward needs is added to the tape."""
    for step in steps:
        x, saved, mask = step.forward(x, training, mask)
        tape.append(saved)
    return x, mask


def masked_weight(mask: Array | None, weight: Array | None, output: Array) -> Array | None:
    """Weights of the loss's rows under a mask: the mean is then over the steps that are not masked."""
    if mask is None or mask.shape != output.shape[:-1]:
        return weight
    library = array_module(output)
    count = library.maximum(mask.sum(), 1)  # stays where it is: of a GPU nobody waits for it
    factor = mask.astype(output.dtype) * (mask.size / count).astype(output.dtype)
    if weight is not None:
        factor = factor * weight.reshape(weight.shape + (1,) * (mask.ndim - weight.ndim))
    result: Array = library.ascontiguousarray(factor)
    return result
