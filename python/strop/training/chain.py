"""The Dense layers at the end of a plan and its loss as one kernel of a GPU.

With a batch of 32 each layer alone is over sooner than the next kernel starts, so that a step takes as long as its
launches do: one for the layers, the loss and all gradients instead of eight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels, on_gpu

Array = NDArray[Any]

#: Losses of the kernel, by the names of their ops.
LOSSES = ("mean_squared_error", "mean_absolute_error", "binary_cross_entropy")
#: Layers of the kernel.
MOST = 4


class DenseChain:
    """Steps of Dense layers whose activations the kernel has, and the kernel of their loss.

    Args:
        steps: `DenseStep`s, the last of which gives what the loss takes; none for a chain that serves no batch.
        loss: one of `LOSSES`.
    """

    def __init__(self, steps: Sequence[Any], loss: str) -> None:
        self.steps, self.loss = steps, loss
        self._widths = [step.layer.kernel.shape[1] for step in steps]

    @classmethod
    def at_end(cls, steps: Sequence[Any], kernel: tuple[str, float] | None) -> DenseChain:
        """The last steps of a plan that are one, given the kernel of the loss."""
        count = 0
        for step in reversed(steps[-MOST:] if kernel is not None and kernel[0] in LOSSES else []):
            activation = getattr(step, "activation", None)
            if (
                activation is None
                or activation.fused is None
                or len(step.variables) != len(step.layer.variables)
            ):
                break
            count += 1
        return cls(steps[len(steps) - count :], kernel[0] if kernel is not None else "")

    def __len__(self) -> int:
        return len(self.steps)

    def serves(self, x: Array, mask: Array | None) -> bool:
        """Whether the kernel has room for a batch: that depends on its shape alone."""
        if not self.steps or x.ndim != 2 or mask is not None or not on_gpu(x):
            return False
        module = kernels("dense_chain", x)
        room: int = module.chain_widths[x.dtype == np.float64]
        most: int = module.chain_rows
        return x.shape[1] + sum(self._widths) <= room and 1 <= len(x) <= most

    def train(
        self, x: Array, target: Array, weight: Array | None, need_x: bool
    ) -> tuple[Any, Array, list[Any], Array | None]:
        """The loss, the output, the gradients by the variables and by x."""
        layers = []
        for step in self.steps:
            bias = step.layer.bias._value if step.layer.use_bias else None
            layers.append((step.layer.kernel._value, bias, step.activation.fused))
        target = target.reshape(len(x), self._widths[-1])
        made: tuple[Any, Array, list[Any], Array | None] = kernels("dense_chain", x).dense_chain(
            x, layers, target, weight, self.loss, need_x
        )
        return made
