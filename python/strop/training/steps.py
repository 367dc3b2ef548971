"""The steps of a plan: what is fused, each with the passes of a layer.

Embedding and the pooling behind it become one bag (`table_steps.py`), a Dense and the activation behind it one matmul,
and the last activation joins the loss, which is computed from the logits. What does not fuse stays a step of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .. import activations
from ..activations.base import Activation as Function
from ..layers import (
    ELU,
    Activation,
    Dense,
    Embedding,
    GlobalAveragePooling1D,
    Layer,
    LeakyReLU,
    ReLU,
    Softmax,
    Variable,
)
from .table_steps import BagStep, EmbeddingStep

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


class ActivityStep:
    """The activity regularizer of the layer before: its penalty on the output, over the batch size.

    Args:
        layer: the layer whose output is penalized.
        function: what makes the layer's output of the logits that come in, where its activation joined the loss.
    """

    def __init__(self, layer: Layer, function: Function) -> None:
        self.layer, self.function = layer, function
        self.regularizer: Any = layer.activity_regularizer
        self.variables: list[Variable] = []

    def forward(self, x: Any, training: bool, mask: Any) -> tuple[Any, Any, Any]:
        """x itself, what backward needs, mask."""
        return x, (x, [self.function.forward(each) for each in _listed(x)]), mask

    def penalty(self, saved: Any) -> Any:
        """The penalty on the outputs of a batch: a float, on a GPU an array without axes."""
        outputs = saved[1]
        total = sum((self.regularizer(each) for each in outputs[1:]), self.regularizer(outputs[0]))
        return total / max(len(outputs[0]), 1)

    def backward(self, grad: Any, saved: Any, need_x: bool) -> tuple[Any, Grads]:
        """The gradient with that of the penalty; a list of several outputs, and None where only the penalty has one."""
        x, outputs = saved
        grads = _listed(grad) if isinstance(x, list) else [grad]
        result = []
        for i, (each, output) in enumerate(zip(_listed(x), outputs, strict=True)):
            own = self.regularizer.gradient(output) / output.dtype.type(max(len(output), 1))
            own = self.function.backward(own, each, output)
            before = None if grad is None else grads[i]
            result.append(own if before is None else before + own)
        return result if isinstance(x, list) else result[0], []


def _listed(x: Any) -> list[Any]:
    return x if isinstance(x, list) else [x]


Step = LayerStep | DenseStep | EmbeddingStep | BagStep | ActivityStep


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
    linear = activations.get(None)
    while rest:
        layer = rest.pop(0)
        follower: Any = rest[0] if rest and layer.activity_regularizer is None else None
        function = linear
        if type(layer) is Embedding and fused and type(follower) is GlobalAveragePooling1D:
            steps.append(BagStep(layer, follower))
            layer = rest.pop(0)
        elif type(layer) is Embedding and fused:
            steps.append(EmbeddingStep(layer))
        elif type(layer) is Dense:
            dense, activation = layer, layer.activation
            if (
                activation.fused == "linear"
                and (own := _function_of(follower)) is not None
                and (fused or (len(rest) == 1 and _is_head(own, head)))
            ):
                layer, activation = rest.pop(0), own
            if not rest and _is_head(activation, head):
                activation, function = linear, activation
            steps.append(DenseStep(dense, activation))
        elif not rest and (own := _function_of(layer)) is not None and _is_head(own, head):
            function = own
        else:
            steps.append(LayerStep(layer))
        if layer.activity_regularizer is not None:
            steps.append(ActivityStep(layer, function))
    return steps, function is not linear


def _function_of(layer: Any) -> Function | None:
    """The activation that is all a layer does, or None."""
    if type(layer) in (Activation, ReLU, LeakyReLU, ELU) or (type(layer) is Softmax and layer.axis == -1):
        function: Function = layer.activation
        return function
    return None


def _is_head(activation: Function, head: str | None) -> bool:
    return head is not None and activation.name == head and not activation.settings
