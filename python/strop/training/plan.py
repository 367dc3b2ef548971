"""The step plan: a model's layers as a short list of fused steps.

A step has the passes of a layer, so the plan is a chain of them, and layers one by one give the same numbers to
rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import activations
from .._backend import on_gpu, synchronize
from .._device import HOST
from ..layers import Layer, Variable
from ..rowgrad import RowGrad
from .chain import DenseChain
from .check import checking
from .loss_kernels import loss_kernel
from .objective import evaluated
from .passes import Tape, back_through, through
from .steps import build_steps

Array = NDArray[Any]

#: Of a batch: the loss, the output, and which rows of it count, or None; of several outputs tuples.
Result = tuple[Any, Any, Any]


class Plan:
    """A chain of steps with its variables, ready to train.

    Args:
        layers: built layers.
        loss: the loss, or None for a plan that only predicts.
        factor: of the loss.
        fused: False makes every layer a step of its own; None does so under STROP_CHECK=1.
    """

    #: Whether its steps follow one another, as a step program takes them.
    is_chain = True

    def __init__(
        self, layers: Sequence[Layer], loss: Any = None, *, factor: float = 1.0, fused: bool | None = None
    ) -> None:
        self.layers, self.loss, self.factor = list(layers), loss, factor
        #: The step program that trains it, once there is one.
        self.program: Any = None
        #: Where its weights live.
        self.device = layers[0].device if layers else HOST
        for layer in layers:
            if layer.device != self.device:
                raise ValueError(
                    f"Plan: layers must be on one device; got {layers[0].name!r} on {self.device} and "
                    f"{layer.name!r} on {layer.device}; move the model with to"
                )
        dtypes = {layer.dtype for layer in layers}
        self.mixed_dtypes, self.dtype = len(dtypes) > 1, next(iter(dtypes), np.dtype("float32"))
        head = getattr(loss, "logits_activation", None)
        self._make_steps(not checking() if fused is None else fused, head)
        self.head = self._make_head(head)
        self._penalized = [(i, v) for i, v in enumerate(self.variables) if v.regularizer is not None]

    def _make_steps(self, fused: bool, head: str | None) -> None:
        """Set the steps, their variables, and whether they end in logits."""
        self.steps, self.ends_in_logits = build_steps(self.layers, fused=fused, head=head)
        self.variables: list[Variable] = [v for step in self.steps for v in step.variables]
        self._chain = DenseChain.at_end(self.steps, loss_kernel(self) if self.device.is_gpu else None)
        self._first = next((i for i, step in enumerate(self.steps) if step.variables), len(self.steps))

    def _make_head(self, head: str | None) -> Any:
        """What makes the model's output of the steps'."""
        return activations.get(head if self.ends_in_logits else None)

    @property
    def penalized(self) -> bool:
        """Whether a regularizer adds to the loss; as in Keras, those of frozen weights do not."""
        return bool(self._penalized)

    @property
    def takes_logits(self) -> bool:
        """Whether the loss is computed from logits: the model's last activation is its, or it was told so."""
        return self.ends_in_logits or bool(getattr(self.loss, "from_logits", False))

    def forward(
        self, x: Array, training: bool = False, tape: Tape | None = None
    ) -> tuple[Array, Array | None]:
        """Output (logits if `ends_in_logits`) and its mask."""
        return through(self.steps, x, None, training, tape)

    def predict(self, x: Array) -> Array:
        """The model's output: probabilities where it ends in logits."""
        result: Array = self.head.forward(self.forward(x)[0])
        return result

    def synchronize(self) -> None:
        """On a GPU: wait, and raise what its kernels have found wrong.

        Raises:
            IndexError: an id was outside its table.
        """
        if self.device.is_gpu:
            synchronize()

    def penalty(self) -> Any:
        """The regularizers' part of the loss: a float, of a plan on a GPU an array without axes, or 0.0."""
        total = sum((v.regularizer(v.value) for _, v in self._penalized), 0.0)
        return total if on_gpu(total) else float(total)

    def evaluated(
        self, output: Any, mask: Any, target: Any, weight: Any, reading: bool = False
    ) -> tuple[Any, Any, Any]:
        """The loss without the penalty on weights, the gradient by the output, and the mask of its rows."""
        loss, grad, mask = evaluated(
            self.loss, self.factor, self.ends_in_logits, output, mask, target, weight, reading
        )
        return loss if self.factor == 1.0 else loss * self.factor, grad, mask

    def test_step(self, x: Any, target: Any, weight: Any) -> Result:
        """The loss of a batch without the penalty on weights, the output, and the mask of its rows."""
        tape = Tape(training=False)
        output, mask = self.forward(x, tape=tape)
        loss, _, mask = self.evaluated(output, mask, target, weight, reading=True)
        return sum(tape.penalties, loss), output, mask

    def train_step(self, x: Any, target: Any, weight: Any, optimizer: Any) -> Result:
        """One step of training: the loss of the batch before it, the output, and the mask of its rows.

        Raises:
            FloatingPointError: under STROP_CHECK=1 the loss or a gradient is not finite; no weight has changed.
        """
        tape = Tape(training=True, watched=checking())
        loss, output, grads = self._gradients(x, target, weight, tape)
        if self.penalized:
            loss = loss + self.penalty()
            for i, variable in self._penalized:
                dense = grads[i].to_dense() if isinstance(grads[i], RowGrad) else grads[i]
                own = variable.regularizer.gradient(variable._value)
                grads[i] = own if dense is None else dense + own
        if tape.watch is not None:
            tape.watch.check(optimizer.iterations + 1, x, loss, tape.penalties, grads)
        if grads:
            optimizer.take(grads, self.variables, 1.0)  # the loss was not scaled
        return loss, output, tape.mask

    def _gradients(
        self, x: Array, target: Any, weight: Array | None, tape: Tape
    ) -> tuple[Any, Array, list[Any]]:
        """The loss without the penalty on weights, the output, and the gradients by the variables."""
        end = len(self.steps) - len(self._chain)
        y, mask = through(self.steps[:end], x, None, True, tape)
        if tape.watch is None and self._chain.serves(y, mask):
            loss, output, grads, upstream = self._chain.train(y, target, weight, end > self._first)
        else:
            output, mask = through(self.steps[end:], y, mask, True, tape)
            loss, upstream, tape.mask = self.evaluated(output, mask, target, weight)
            grads, end = [], len(self.steps)
        for i in range(end - 1, self._first - 1, -1):
            assert upstream is not None
            upstream, own = back_through(
                self.steps[i], upstream, tape.saved.pop(), i > self._first, tape.watch
            )
            grads[:0] = own
        return sum(tape.penalties, loss), output, grads
