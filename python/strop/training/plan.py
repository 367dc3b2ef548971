"""The step plan: a model's layers as a short list of fused steps.

Embedding and the pooling behind it become one bag, a Dense and the activation behind it one matmul, and the last
activation joins the loss, which is computed from the logits. What does not fuse stays a step of its own. A step has the
passes of a layer, so the plan is a chain of them, and layers one by one give the same numbers to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import activations, ops
from .._backend import kernels, on_gpu, synchronize
from .._device import HOST
from ..activations.base import Activation as Function
from ..layers import Activation, Dense, Embedding, GlobalAveragePooling1D, Layer, Variable
from ..rowgrad import RowGrad
from .chain import DenseChain
from .loss_kernels import loss_kernel
from .passes import masked_weight, through

Array = NDArray[Any]
Grads = list[Any]


class LayerStep:
    """One layer on its own."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.variables = layer.trainable_variables

    def forward(self, x: Array, training: bool, mask: Array | None) -> tuple[Array, Any, Array | None]:
        """Output, what backward needs, mask."""
        y, saved = self.layer.forward(x, training=training, mask=mask)
        return y, saved, self.layer.compute_mask(x, mask)

    def backward(self, grad: Array, saved: Any, need_x: bool) -> tuple[Array | None, Grads]:
        """Gradients by the input and by the variables."""
        return self.layer.backward(grad, saved, need_x)


class DenseStep:
    """A Dense layer and the activation behind it, or its logits where the activation belongs to the loss."""

    def __init__(self, layer: Dense, activation: Function) -> None:
        self.layer, self.activation = layer, activation
        self.variables = layer.trainable_variables

    def forward(self, x: Array, training: bool, mask: Array | None) -> tuple[Array, Any, Array | None]:
        """Output, what backward needs, mask."""
        fused = self.activation.fused
        if fused is not None:
            y = self.layer.linear(x, fused)
            return y, (x, None, y), mask
        z = self.layer.linear(x)
        y = self.activation.forward(z)
        return y, (x, z, y), mask

    def backward(self, grad: Array, saved: Any, need_x: bool) -> tuple[Array | None, Grads]:
        """Gradients by the input and by the variables."""
        x, z, y = saved
        if z is None:
            return self.layer.linear_backward(grad, x, y, self.activation.fused, need_x)
        return self.layer.linear_backward(self.activation.backward(grad, z, y), x, need_x=need_x)


class BagStep:
    """Embedding and GlobalAveragePooling1D as one bag.

    While training, the rows that the batch reads are first copied into a compact table that stays in cache; rows that
    the optimizer has deferred are caught up on the way. Both passes then work on places in that table.

    On a GPU the rows stay where they are, caught up in place. What stands in for the compact table is a plan: the ids
    sorted by row, from which the backward pass makes a sum per row.
    """

    def __init__(self, embedding: Embedding, pooling: GlobalAveragePooling1D) -> None:
        self.embedding, self.pooling = embedding, pooling
        self.variables = embedding.trainable_variables
        self.pad_id = 0 if embedding.mask_zero else None
        self._scratch: Any = None

    def forward(self, x: Array, training: bool, mask: Array | None) -> tuple[Array, Any, Array | None]:
        """Output, what backward needs, no mask."""
        variable = self.embedding.table
        if not (training and self.variables):
            y = ops.embedding_bag(variable.value, x, pad_id=self.pad_id)
            return self._shaped(y), None, None
        rows_in_table = self.embedding.input_dim
        if on_gpu(x):
            plan = kernels("row_plan", x).row_plan(x, rows_in_table, None, "mean", self.pad_id)
            if variable.deferred is not None:
                variable.deferred.catch_up(plan.rows)
            return self._shaped(ops.embedding_bag(variable._value, x, pad_id=self.pad_id)), plan, None
        if self._scratch is None:
            self._scratch = ops.CompactScratch(rows_in_table)
        rows, slots = ops.compact_ids(x, num_rows=rows_in_table, scratch=self._scratch)
        table = variable.deferred
        compact = ops.embedding_lookup(variable._value, rows) if table is None else table.gather(rows)
        pad = self._pad_slot(rows)
        y = ops.embedding_bag(compact, slots, pad_id=pad)
        return self._shaped(y), (rows, slots, pad), None

    def _pad_slot(self, rows: Array) -> int | None:
        if self.pad_id is None:
            return None
        found = np.flatnonzero(rows == self.pad_id)
        return int(found[0]) if found.size else None

    def _shaped(self, y: Array) -> Array:
        return y[:, None] if self.pooling.keepdims else y

    def backward(self, grad: Array, saved: Any, need_x: bool) -> tuple[Array | None, Grads]:
        """No gradient by ids; a `RowGrad` by the table."""
        if not self.variables:
            return None, []
        shape = (self.embedding.input_dim, self.embedding.output_dim)
        grad = grad.reshape(len(grad), self.embedding.output_dim)
        if on_gpu(grad):
            return None, [RowGrad.from_plan(saved, grad, shape)]
        rows, slots, pad = saved
        values = ops.embedding_bag_scatter(grad, slots, num_rows=len(rows), pad_id=pad)
        if pad is not None:
            kept = np.arange(len(rows)) != pad
            rows, values = rows[kept], values[kept]
        return None, [RowGrad.trusted(rows, values, shape)]


Step = LayerStep | DenseStep | BagStep


def build_steps(
    layers: Sequence[Layer], *, fused: bool = True, head: str | None = None
) -> tuple[list[Step], bool]:
    """The steps of a chain of layers.

    Args:
        layers: built layers.
        fused: False makes every layer a step of its own.
        head: the activation whose loss takes logits, or None.

    Returns:
        The steps, and whether they end in logits because the last activation is `head`.
    """
    steps: list[Step] = []
    rest = list(layers)
    ends_in_logits = False
    while rest:
        layer = rest.pop(0)
        if type(layer) is Embedding and fused and rest and type(rest[0]) is GlobalAveragePooling1D:
            steps.append(BagStep(layer, rest.pop(0)))  # type: ignore[arg-type]
        elif type(layer) is Dense:
            activation = layer.activation
            linear = activation.fused == "linear"
            if (
                linear
                and rest
                and type(rest[0]) is Activation
                and (fused or _is_head(rest[0].activation, rest, head))
            ):
                activation = rest.pop(0).activation  # type: ignore[attr-defined]
            if not rest and _is_head(activation, [layer], head):
                activation, ends_in_logits = activations.get(None), True
            steps.append(DenseStep(layer, activation))
        elif type(layer) is Activation and not rest and _is_head(layer.activation, [layer], head):
            ends_in_logits = True
        else:
            steps.append(LayerStep(layer))
    return steps, ends_in_logits


def _is_head(activation: Function, rest: Sequence[Layer], head: str | None) -> bool:
    return head is not None and len(rest) == 1 and activation.name == head and not activation.settings


class Plan:
    """A chain of steps with its variables, ready to train.

    Args:
        layers: built layers.
        loss: the loss, or None for a plan that only predicts.
        fused: False makes every layer a step of its own.
    """

    def __init__(self, layers: Sequence[Layer], loss: Any = None, *, fused: bool = True) -> None:
        self.layers, self.loss = list(layers), loss
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
        self.steps, self.ends_in_logits = build_steps(layers, fused=fused, head=head)
        self.head = activations.get(head if self.ends_in_logits else None)
        self.variables: list[Variable] = [v for step in self.steps for v in step.variables]
        self._chain = DenseChain.at_end(self.steps, loss_kernel(self) if self.device.is_gpu else None)
        self._first = next((i for i, step in enumerate(self.steps) if step.variables), len(self.steps))
        self._penalized = [(i, v) for i, v in enumerate(self.variables) if v.regularizer is not None]
        self._frozen_penalties = [
            v
            for layer in layers
            for v in layer.variables
            if v.regularizer is not None and not any(v is w for w in self.variables)
        ]

    @property
    def penalized(self) -> bool:
        """Whether a regularizer adds to the loss."""
        return bool(self._penalized or self._frozen_penalties)

    @property
    def takes_logits(self) -> bool:
        """Whether the loss is computed from logits: the model's last activation is its, or it was told so."""
        return self.ends_in_logits or bool(getattr(self.loss, "from_logits", False))

    def forward(self, x: Array, training: bool = False) -> tuple[Array, list[Any], Array | None]:
        """Output (logits if `ends_in_logits`), what backward needs, the mask of the output."""
        tape: list[Any] = []
        x, mask = through(self.steps, x, None, training, tape)
        return x, tape, mask

    def predict(self, x: Array) -> Array:
        """The model's output: probabilities where it ends in logits."""
        return self.head.forward(self.forward(x)[0])

    def synchronize(self) -> None:
        """On a GPU: wait, and raise what its kernels have found wrong.

        Raises:
            IndexError: an id was outside its table.
        """
        if self.device.is_gpu:
            synchronize()

    def penalty(self) -> Any:
        """The regularizers' part of the loss: a float, of a plan on a GPU an array without axes, or 0.0."""
        variables = [v for _, v in self._penalized] + self._frozen_penalties
        total = sum((v.regularizer(v.value) for v in variables), 0.0)
        return total if on_gpu(total) else float(total)

    def value(self, output: Array, target: Array, weight: Array | None) -> tuple[Any, Array]:
        """The loss without penalty, a float or an array without axes, and its gradient by the output."""
        result: tuple[Any, Array] = (
            self.loss.value_and_grad_from_logits(target, output, weight)
            if self.ends_in_logits
            else self.loss.value_and_grad(target, output, weight)
        )
        return result

    def test_step(self, x: Array, target: Any, weight: Array | None) -> tuple[Any, Array]:
        """The loss of a batch without penalty, and the output."""
        output, _, mask = self.forward(x)
        return self.value(output, target, masked_weight(mask, weight, output))[0], output

    def train_step(self, x: Array, target: Any, weight: Array | None, optimizer: Any) -> tuple[Any, Array]:
        """One step of training: the loss of the batch before it, and the output."""
        loss, output, grads = self._gradients(x, target, weight)
        if self.penalized:
            loss = loss + self.penalty()
            for i, variable in self._penalized:
                dense = grads[i].to_dense() if isinstance(grads[i], RowGrad) else grads[i]
                grads[i] = dense + variable.regularizer.gradient(variable._value)
        if grads:
            optimizer.take(grads, self.variables, 1.0)  # the loss was not scaled
        return loss, output

    def _gradients(self, x: Array, target: Any, weight: Array | None) -> tuple[Any, Array, list[Any]]:
        """The loss without penalty, the output, and the gradients by the variables."""
        tape: list[Any] = []
        end = len(self.steps) - len(self._chain)
        y, mask = through(self.steps[:end], x, None, True, tape)
        if self._chain.serves(y, mask):
            loss, output, grads, upstream = self._chain.train(y, target, weight, end > self._first)
        else:
            output, mask = through(self.steps[end:], y, mask, True, tape)
            weight = masked_weight(mask, weight, output)
            loss, upstream = self.value(output, target, weight)
            grads, end = [], len(self.steps)
        for i in range(end - 1, self._first - 1, -1):
            assert upstream is not None
            upstream, own = self.steps[i].backward(upstream, tape[i], i > self._first)
            grads[:0] = own
        return loss, output, grads
