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

from .. import activations
from .._backend import on_gpu
from ..layers import Layer
from ..rowgrad import RowGrad
from .chain import DenseChain
from .objective import Heads, LossParts, evaluated
from .passes import Tape, back_through, mask_of_rows, through
from .plan import Plan
from .steps import ActivityStep, build_steps

Array = NDArray[Any]


@dataclass
class Node:
    """One call of a layer: it reads the tensors of `sources` and gives those of `slots`."""

    layer: Layer
    sources: tuple[int, ...]
    slots: tuple[int, ...]


class _Stretch:
    """Steps that follow one another; the first reads `sources`, the last gives `slots`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.layers = [node.layer for node in nodes]
        self.sources, self.slots = nodes[0].sources, nodes[-1].slots
        self.listed = nodes[0].layer.takes_list or len(self.sources) > 1
        self.steps: list[Any] = []
        #: Places in the plan's variables of those of each step.
        self.places: list[list[int]] = []
        #: Where its part of a tape begins.
        self.begin = 0
        #: Of each step, whether its input must have a gradient.
        self.need_x: list[bool] = []
        #: Whether anything up to its end is trained.
        self.trained = False
        #: Whether anything that it reads is trained.
        self.reads_trained = False


class NetworkPlan(Plan):
    """A graph of steps with its variables, ready to train.

    Args:
        layers: all layers, each once; their order is that of the weights.
        nodes: the calls in topological order. Slots are numbered from 0: the inputs, then what each call gives.
        loss: the loss, or None for a plan that only predicts; an `Objective` for several outputs.
        outputs: slots of the outputs; None takes the first of the last call. Several come as a tuple.
        factor: of the loss of one output.
        fused: False makes every layer a step of its own; None does so under STROP_CHECK=1.
    """

    is_chain = False

    def __init__(
        self,
        layers: Sequence[Layer],
        nodes: Sequence[Node],
        loss: Any = None,
        *,
        outputs: Sequence[int] | None = None,
        factor: float = 1.0,
        fused: bool | None = None,
    ) -> None:
        self._nodes = list(nodes)
        self._outputs = [nodes[-1].slots[0]] if outputs is None else list(outputs)
        self._several = len(self._outputs) > 1
        super().__init__(layers, loss, factor=factor, fused=fused)

    def _make_steps(self, fused: bool, head: str | None) -> None:
        self._readers = Counter(slot for node in self._nodes for slot in node.sources)
        self._readers.update(self._outputs)  # so that no output is let go, or lies within a stretch
        self._stretches = [_Stretch(nodes) for nodes in self._straight()]
        heads = self._heads_by_slot(head)
        in_logits: dict[int, bool] = {}
        self.steps = []
        for stretch in self._stretches:
            last = stretch.slots[0]
            stretch.steps, in_logits[last] = build_steps(stretch.layers, fused=fused, head=heads.get(last))
            stretch.begin = len(self.steps)
            self.steps += stretch.steps
        self._in_logits = [in_logits.get(slot, False) for slot in self._outputs]
        self.ends_in_logits = self._in_logits[0]
        found = {id(v) for step in self.steps for v in step.variables}
        self.variables = [v for layer in self.layers for v in layer.variables if id(v) in found]
        place = {id(v): i for i, v in enumerate(self.variables)}
        #: Slots that depend on what is trained.
        self._trained: set[int] = set()
        for stretch in self._stretches:
            before = any(slot in self._trained for slot in stretch.sources)
            for i, step in enumerate(stretch.steps):
                states_alone = i == 0 and stretch.listed and stretch.layers[0].takes_states
                stretch.need_x.append(stretch.sources[0] in self._trained if states_alone else before)
                stretch.places.append([place[id(v)] for v in step.variables])
                before = before or bool(step.variables)
            stretch.reads_trained = any(slot in self._trained for slot in stretch.sources)
            stretch.trained = before
            if before:
                self._trained.update(stretch.slots)
        self._chain = DenseChain([], "")

    def _heads_by_slot(self, head: str | None) -> dict[int, str | None]:
        """The activation that joins the loss of an output, where nothing else reads that output."""
        if not self._several:
            return {self._outputs[0]: head if self._readers[self._outputs[0]] == 1 else None}
        losses = [None] * len(self._outputs) if self.loss is None else self.loss.losses
        return {
            slot: getattr(loss, "logits_activation", None)
            for slot, loss in zip(self._outputs, losses, strict=True)
            if self._readers[slot] == 1
        }

    def _make_head(self, head: str | None) -> Any:
        if not self._several:
            return super()._make_head(head)
        losses = [None] * len(self._outputs) if self.loss is None else self.loss.losses
        return Heads(
            activations.get(loss.logits_activation if ends else None)
            for loss, ends in zip(losses, self._in_logits, strict=True)
        )

    def _straight(self) -> list[list[Node]]:
        """The calls as straight stretches: a tensor between two calls of one has no other reader."""
        stretches: list[list[Node]] = []
        for node in self._nodes:
            follows = (
                stretches
                and not node.layer.takes_list
                and node.sources == stretches[-1][-1].slots
                and self._readers[node.sources[0]] == 1
                and len(node.sources) == 1
            )
            if follows:
                stretches[-1].append(node)
            else:
                stretches.append([node])
        return stretches

    def forward(self, x: Any, training: bool = False, tape: Tape | None = None) -> tuple[Any, Any]:
        """Output (logits if `ends_in_logits`) and its mask, or a tuple of each; x is a tuple of several inputs."""
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
            y, mask = through(stretch.steps, y, mask, training, tape)
            if len(stretch.slots) == 1:
                values[stretch.slots[0]] = y, mask
                continue
            masks = mask if isinstance(mask, list) else [mask] * len(stretch.slots)
            values.update(zip(stretch.slots, zip(y, masks, strict=True), strict=True))
        if not self._several:
            return values[self._outputs[0]]
        both = [values[slot] for slot in self._outputs]
        return tuple(output for output, _ in both), tuple(own for _, own in both)

    def evaluated(
        self, output: Any, mask: Any, target: Any, weight: Any, reading: bool = False
    ) -> tuple[Any, Any, Any]:
        """The loss without the penalty on weights, the gradient by the output, and the mask of its rows."""
        if not self._several:
            return super().evaluated(output, mask, target, weight, reading)
        total: Any = 0.0
        parts, grads, masks = [], [], []
        for k, loss in enumerate(self.loss.losses):
            value, grad, own = None, None, mask_of_rows(mask[k], output[k])
            if loss is not None:
                settings = loss, self.loss.factors[k], self._in_logits[k]
                own_weight = None if weight is None else weight[k]
                value, grad, own = evaluated(*settings, output[k], mask[k], target[k], own_weight, reading)
                total = total + value * self.loss.factors[k]
                parts.append(value)
            grads.append(grad)
            masks.append(own)
        return LossParts(total, parts), tuple(grads), tuple(masks)

    def _gradients(self, x: Any, target: Any, weight: Any, tape: Tape) -> tuple[Any, Any, list[Any]]:
        """The loss without the penalty on weights, the output, and the gradients by the variables."""
        output, mask = self.forward(x, True, tape)
        loss, upstream, tape.mask = self.evaluated(output, mask, target, weight)
        grads: list[Any] = [None] * len(self.variables)
        arriving = _Sums()
        for slot, given in zip(self._outputs, upstream if self._several else [upstream], strict=True):
            if given is not None:
                arriving.add(slot, given)
        for stretch in reversed(self._stretches):
            grad = arriving.take(stretch.slots[0])
            if len(stretch.slots) > 1:
                grad = [grad, *map(arriving.take, stretch.slots[1:])]
                grad = None if all(each is None for each in grad) else grad
            if stretch.trained:
                self._backward(stretch, grad, tape, grads, arriving)
        return sum(tape.penalties, loss), output, grads

    def _backward(self, stretch: _Stretch, grad: Any, tape: Tape, grads: list[Any], arriving: _Sums) -> None:
        """The gradients of a stretch: of its variables, and for what it reads."""
        first = 0
        if not stretch.reads_trained:
            first = next((i for i, places in enumerate(stretch.places) if places), 0)
        for i in range(len(stretch.steps) - 1, first - 1, -1):
            saved, tape.saved[stretch.begin + i] = tape.saved[stretch.begin + i], None
            if grad is None and not isinstance(stretch.steps[i], ActivityStep):
                continue  # it leads to outputs without a loss alone
            grad, own = back_through(stretch.steps[i], grad, saved, stretch.need_x[i], tape.watch)
            for place, more in zip(stretch.places[i], own, strict=True):
                grads[place] = more if grads[place] is None else _sum(grads[place], more)
        if not stretch.reads_trained or grad is None:
            return
        for slot, back in zip(stretch.sources, grad if stretch.listed else [grad], strict=True):
            if slot in self._trained and back is not None:
                arriving.add(slot, back)


class _Sums:
    """Gradients by slot, each the sum of those that its readers sent."""

    def __init__(self) -> None:
        self._sums: dict[int, Any] = {}
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
