"""What the passes of a plan share: steps one after another, weights of a loss under a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .._backend import array_module
from .check import Watch
from .steps import ActivityStep

Array = NDArray[Any]


class Tape:
    """What a pass forward leaves for the pass backward, step by step, and the penalties on the way.

    Args:
        training: whether the layers are trained; what backward needs is kept only then.
        watched: whether outputs and gradients are kept to be looked at.
    """

    def __init__(self, training: bool, watched: bool = False) -> None:
        self.training = training
        self.watch = Watch() if watched else None
        self.saved: list[Any] = []
        #: The activity regularizers' penalties: floats, on a GPU arrays without axes.
        self.penalties: list[Any] = []
        #: Which rows of the output count, or None: all.
        self.mask: Array | None = None

    def add(self, step: Any, saved: Any, output: Any) -> None:
        """Take in what a step has left, and its output."""
        if self.watch is not None:
            self.watch.forward(step, output)
        if isinstance(step, ActivityStep):
            self.penalties.append(step.penalty(saved))
        if self.training:
            self.saved.append(saved)


def back_through(
    step: Any, grad: Any, saved: Any, need_x: bool, watch: Watch | None
) -> tuple[Any, list[Any]]:
    """The gradients that a step gives, by its input and by its variables."""
    grad, own = step.backward(grad, saved, need_x)
    if watch is not None:
        watch.backward(step, grad, own)
    return grad, own


def through(
    steps: Sequence[Any], x: Array, mask: Array | None, training: bool, tape: Tape | None = None
) -> tuple[Array, Array | None]:
    """Output and mask behind some steps."""
    for step in steps:
        x, saved, mask = step.forward(x, training, mask)
        if tape is not None:
            tape.add(step, saved, x)
    return x, mask


def mask_of_rows(mask: Array | None, output: Array) -> Array | None:
    """The mask, if it says which rows of an output (N, ..., D) count: loss and metrics then leave out the others."""
    return None if mask is None or mask.shape != output.shape[:-1] else mask


def masked_weight(
    mask: Array | None, weight: Array | None, output: Array, loss: Any, target: Array
) -> Array | None:
    """Weights of the loss's rows under a mask of them: a mean is then over the steps that are not masked."""
    if mask is None:
        return weight
    library = array_module(output)
    factor = mask.astype(output.dtype)
    if loss.reduction in ("sum_over_batch_size", "mean"):
        kept = loss.rows_kept(target)
        rows, both = (mask.size, mask) if kept is None else (kept.sum(), mask & kept)
        count = library.maximum(both.sum(), 1)  # stays where it is: of a GPU nobody waits for it
        factor *= (rows / count).astype(output.dtype)
    if weight is not None:
        factor = factor * weight.reshape(weight.shape + (1,) * (mask.ndim - weight.ndim))
    result: Array = library.ascontiguousarray(factor)
    return result
