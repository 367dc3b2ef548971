"""STROP_CHECK=1: training stops where a loss or a gradient is no finite number, and says which layer first gave it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from .._backend import array_module
from .._device import to_host
from ..layers import Variable
from ..rowgrad import RowGrad


def checking() -> bool:
    """Whether the environment asks for it: every step then waits for its numbers, and layers are not fused."""
    return os.environ.get("STROP_CHECK") == "1"


class Watch:
    """What the steps of one pass forward and backward gave, kept until the loss is known to be good."""

    def __init__(self) -> None:
        self._outputs: list[tuple[Any, Any]] = []
        self._slopes: list[tuple[Any, list[Any]]] = []

    def forward(self, step: Any, output: Any) -> None:
        """Take in the output of a step."""
        self._outputs.append((step, output))

    def backward(self, step: Any, grad: Any, own: Sequence[Any]) -> None:
        """Take in the gradients that a step gave, by its input and by its variables."""
        self._slopes.append((step, [*_listed(grad), *own]))

    def check(self, number: int, x: Any, loss: Any, penalties: Sequence[Any], grads: Sequence[Any]) -> None:
        """Refuse a step that would make weights into what is no number.

        Args:
            number: of the step, from 1.
            x: the inputs.
            loss: of the batch, penalties included.
            penalties: of the activity regularizers.
            grads: by the variables.

        Raises:
            FloatingPointError: the loss or a gradient is not finite; no weight has changed.
        """
        kind = _kind(getattr(loss, "total", loss))
        if kind is None and not any(map(_kind, grads)):
            return
        what = f"loss must be finite; got {kind}" if kind else "gradients must be finite; got others"
        found = list(self._found(x, penalties))
        first = found[:1]
        if first and first[0][1] == "inf":  # an overflow, of which NaN comes later: worth both names
            first += [place for place in found if place[1] == "nan"][:1]
        texts = [f"{who} first gave {value} {where}" for who, value, where in first]
        if not texts:
            texts = ["what the layers gave is finite, so that it is the loss or a penalty that is not"]
        raise FloatingPointError(f"fit: {what} at step {number}; {', then '.join(texts)}")

    def _found(self, x: Any, penalties: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
        """Who gave what is not finite, nan or inf, and where, in the order of the passes."""
        for kind in map(_kind, _listed(x)):
            if kind:
                yield "the data", kind, "in x"
        for step, output in self._outputs:
            who = f"{step.layer.op} {step.layer.name!r}"
            for variable in step.layer.variables:
                kind = _kind(variable)
                if kind:
                    yield "an earlier step", kind, f"in the weight {variable.path!r}"
            for kind in map(_kind, _listed(output)):
                if kind:
                    yield who, kind, "in its output"
        for kind in map(_kind, penalties):
            if kind:
                yield "an activity regularizer", kind, "in its penalty"
        for step, slopes in self._slopes:
            kinds = [kind for kind in map(_kind, slopes) if kind]
            if kinds:
                yield f"{step.layer.op} {step.layer.name!r}", max(kinds), "in its gradient"


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _kind(value: Any) -> str | None:
    """nan or inf where a number, an array, a variable or a gradient holds such; None where all is finite."""
    if value is None:
        return None
    array: Any = value
    if isinstance(value, Variable):
        array = value.value
    elif isinstance(value, RowGrad):
        array = value.to_dense()
    library = array_module(array)
    array = library.asarray(array)
    if array.dtype.kind != "f" or bool(to_host(library.isfinite(array).all())):
        return None
    return "nan" if bool(to_host((array != array).any())) else "inf"
