"""The losses of a model with several outputs: one per output, with factors, and their sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .passes import mask_of_rows, masked_weight


class LossParts:
    """The loss of a batch, and in it the loss of each output that has one, without its factor.

    Args:
        total: the sum, a float or an array without axes.
        parts: the losses by output.
    """

    def __init__(self, total: Any, parts: Sequence[Any]) -> None:
        self.total, self.parts = total, tuple(parts)

    def __add__(self, penalty: Any) -> LossParts:
        return LossParts(self.total + penalty, self.parts)

    def __radd__(self, penalty: Any) -> LossParts:
        return self.__add__(penalty)


class Objective:
    """What several outputs are trained for: the sum of their losses times factors.

    Args:
        names: of the outputs.
        losses: one per output; None where an output is not trained.
        factors: of the losses in the sum.
    """

    def __init__(self, names: Sequence[str], losses: Sequence[Any], factors: Sequence[float]) -> None:
        self.names, self.losses, self.factors = tuple(names), tuple(losses), tuple(factors)

    def choose(self, place: int, output_shape: Any, target_shape: Any) -> Objective:
        """The same, with the loss of an output chosen by shapes."""
        chosen = self.losses[place].choose(output_shape, target_shape)
        if chosen is self.losses[place]:
            return self
        losses = (*self.losses[:place], chosen, *self.losses[place + 1 :])
        return Objective(self.names, losses, self.factors)

    @property
    def trained(self) -> list[int]:
        """The places of the outputs that have a loss."""
        return [k for k, loss in enumerate(self.losses) if loss is not None]


class Heads:
    """The last activations of several outputs that end in logits."""

    def __init__(self, activations: Iterable[Any]) -> None:
        self._activations = tuple(activations)

    def __getitem__(self, place: int) -> Any:
        return self._activations[place]

    def forward(self, outputs: Sequence[Any]) -> tuple[Any, ...]:
        """The model's outputs."""
        return tuple(a.forward(y) for a, y in zip(self._activations, outputs, strict=True))


def evaluated(
    loss: Any,
    factor: float,
    in_logits: bool,
    output: Any,
    mask: Any,
    target: Any,
    weight: Any,
    reading: bool = False,
) -> tuple[Any, Any, Any]:
    """The loss of an output without its factor, the gradient by the output with it, and the mask of its rows.

    A loss without a gradient may be read, and gives None for it.
    """
    mask = mask_of_rows(mask, output)
    weight = masked_weight(mask, weight, output, loss, target)
    if reading and not loss.has_gradient:
        return loss(target, output, weight), None, mask
    call = loss.value_and_grad_from_logits if in_logits else loss.value_and_grad
    value, grad = call(target, output, weight)
    return value, grad if factor == 1.0 else grad * grad.dtype.type(factor), mask
