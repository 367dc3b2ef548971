"""The plan of a model with branches: straight stretches of fused steps in topological order.

A stretch is a chain of layers between forks and merges, fused as chains are. Forward, a tensor is let go when its last
reader has run; backward, the gradients of a fork are added in the order of its readers, last to first, so that bits
depend on the model alone. A layer that is called twice has the sum of both gradients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import on_gpu
from ..layers import Layer
from ..rowgrad import RowGrad
from .chain import DenseChain
from .passes import Tape, back_through, mask_of_rows, masked_weight, through
from .plan import Plan
from .steps import build_steps

Array = NDArray[Any]


@dataclass
class Node:
    """One call of a layer: it reads the tensors of `sources` and gives that of `slot`."""

    layer: Layer
    sources: tuple[int, ...]
    slot: int


class _Stretch:
    """Steps that follow one another; the first reads `sources`, the last gives `slot`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.layers = [node.layer for node in nodes]
        self.listed = nodes[0].layer.takes_list
        self.sources, self.slot = nodes[0].sources, nodes[-1].slot
        self.steps: list[Any] = []
        #: Places in the plan's variables of those of each step.
        self.places: list[list[int]] = []
        #: Where its part of a tape begins.
        self.begin = 0
        #: Of each step, whether anything before it is trained; of the stretch, whether anything up to its end is.
        self.need_x: list[bool] = []
        self.trained = False


class NetworkPlan(Plan):
    """A graph of steps with its variables, ready to train.

    Args:
        layers: all layers, each once; their order is that of the weights.
        nodes: the calls in topological order; the last gives the output. Slots are numbered from 0: the inputs, then
            what each call gives.
        loss: the loss, or None for a plan that only predicts.
        fused: False makes every layer a step of its own; None does so under STROP_CHECK=1.
    """

    is_chain = False

    def __init__(
        self, layers: Sequence[Layer], nodes: Sequence[Node], loss: Any = None, *, fused: bool | None = None
    ) -> None:
        self._nodes = list(nodes)
        super().__init__(layers, loss, fused=fused)

    def _make_steps(self, fused: bool, head: str | None) -> None:
        self._readers = Counter(slot for node in self._nodes for slot in node.sources)
        self._stretches = [_Stretch(nodes) for nodes in self._straight()]
        self._output_slot = self._nodes[-1].slot
        self.steps = []
        for stretch in self._stretches:
            last = stretch.slot == self._output_slot
            stretch.steps, ends = build_steps(stretch.layers, fused=fused, head=head if last else None)
            self.ends_in_logits = ends
            stretch.begin = len(self.steps)
            self.steps += stretch.steps
        found = {id(v) for step in self.steps for v in step.variables}
        self.variables = [v for layer in self.layers for v in layer.variables if id(v) in found]
        place = {id(v): i for i, v in enumerate(self.variables)}
        #: Slots that depend on what is trained.
        self._trained: set[int] = set()
        for stretch in self._stretches:
            before = any(slot in self._trained for slot in stretch.sources)
            for step in stretch.steps:
                stretch.need_x.append(before)
                stretch.places.append([place[id(v)] for v in step.variables])
                before = before or bool(step.variables)
            stretch.trained = before
            if before:
                self._trained.add(stretch.slot)
        self._chain = DenseChain([], "")

    def _straight(self) -> list[list[Node]]:
        """The calls as straight stretches: a tensor between two calls of one has no other reader."""
        stretches: list[list[Node]] = []
        for node in self._nodes:
            follows = (
                stretches
                and not node.layer.takes_list
                and node.sources == (stretches[-1][-1].slot,)
                and self._readers[node.sources[0]] == 1
            )
            if follows:
                stretches[-1].append(node)
            else:
                stretches.append([node])
        return stretches

    def forward(self, x: Any, training: bool = False, tape: Tape | None = None) -> tuple[Array, Array | None]:
        """Output (logits if `ends_in_logits`) and its mask; x is a list where there are several inputs."""
        given = x if isinstance(x, list | tuple) else [x]
        values: dict[int, tuple[Any, Any]] = {slot: (array, None) for slot, array in enumerate(given)}
        left = self._readers.copy()
        for stretch in self._stretches:
            read = [values[slot] for slot in stretch.sources]
            for slot in stretch.sources:
                left[slot] -= 1
                if not left[slot]:
                    values.pop(slot, None)
            y, mask = read[0]
            if stretch.listed:
                y, masks = [array for array, _ in read], [m for _, m in read]
                mask = masks if any(m is not None for m in masks) else None
            values[stretch.slot] = through(stretch.steps, y, mask, training, tape)
        return values[self._output_slot]

    def _gradients(
        self, x: Any, target: Any, weight: Array | None, tape: Tape
    ) -> tuple[Any, Array, list[Any]]:
        """The loss without the penalty on weights, the output, and the gradients by the variables."""
        output, mask = self.forward(x, True, tape)
        tape.mask = mask_of_rows(mask, output)
        weight = masked_weight(tape.mask, weight, output, self.loss, target)
        loss, upstream = self.value(output, target, weight)
        grads: list[Any] = [None] * len(self.variables)
        arriving = _Sums({self._output_slot: upstream})
        for stretch in reversed(self._stretches):
            grad: Any = arriving.take(stretch.slot)
            if stretch.trained and grad is not None:
                self._backward(stretch, grad, tape, grads, arriving)
        return sum(tape.penalties, loss), output, grads

    def _backward(self, stretch: _Stretch, grad: Any, tape: Tape, grads: list[Any], arriving: _Sums) -> None:
        """The gradients of a stretch: of its variables, and for what it reads."""
        first = next((i for i, need in enumerate(stretch.need_x) if need or stretch.places[i]), 0)
        for i in range(len(stretch.steps) - 1, first - 1, -1):
            saved, tape.saved[stretch.begin + i] = tape.saved[stretch.begin + i], None
            grad, own = back_through(stretch.steps[i], grad, saved, stretch.need_x[i], tape.watch)
            for place, more in zip(stretch.places[i], own, strict=True):
                grads[place] = more if grads[place] is None else _sum(grads[place], more)
        if not stretch.need_x[0]:
            return
        for slot, back in zip(stretch.sources, grad if stretch.listed else [grad], strict=True):
            if slot in self._trained and back is not None:
                arriving.add(slot, back)


class _Sums:
    """Gradients by slot, each the sum of those that its readers sent."""

    def __init__(self, first: dict[int, Any]) -> None:
        self._sums = first
        #: Slots whose array is ours alone: a layer may give one gradient for several inputs.
        self._own: set[int] = set()

    def add(self, slot: int, grad: Array) -> None:
        """Take in a gradient."""
        if slot not in self._sums:
            self._sums[slot] = grad
        elif slot in self._own:
            self._sums[slot] += grad
        else:
            self._sums[slot] = self._sums[slot] + grad
            self._own.add(slot)

    def take(self, slot: int) -> Any:
        """The sum, which is forgotten; None if nobody sent a gradient."""
        return self._sums.pop(slot, None)


def _sum(a: Any, b: Any) -> Any:
    """The sum of two gradients of one variable."""
    if isinstance(a, RowGrad) and isinstance(b, RowGrad) and not on_gpu(a.rows):
        return RowGrad(np.concatenate([a.rows, b.rows]), np.concatenate([a.values, b.values]), a.shape)
    a, b = (grad.to_dense() if isinstance(grad, RowGrad) else grad for grad in (a, b))
    return a + b
