"""Rprop, the torch dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from .. import ops
from .._memory import filled_beside
from .base import Optimizer

Array = NDArray[Any]


class Rprop(Optimizer):
    """Every element has a step of its own, which grows while the sign of the gradient stays and shrinks where it turns.

    Only the signs of the gradient count: for gradients of whole data sets, not of batches. Where the sign turns the
    element rests for one step.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: the first step of every element; later changes of it mean nothing.
        etas: factors by which a step shrinks and grows.
        step_sizes: least and greatest step.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> Rprop([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.9000000000

    References:
        Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm, 1993.
    """

    every_slot = ("prev", "step_size")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        shrink, grow = settings["etas"]
        if not 0 < shrink < 1 < grow:
            raise ValueError(f"{self.op}: etas must lie in (0, 1) and above 1; got {settings['etas']}")
        least, most = settings["step_sizes"]
        if not 0 <= least <= most:
            raise ValueError(f"{self.op}: step_sizes must rise from 0 or more; got {settings['step_sizes']}")

    def new_slot(self, name: str, param: NDArray[Any], settings: dict[str, Any]) -> NDArray[Any]:
        """A state array before the first step; every element's step begins as the learning rate."""
        return filled_beside(param, settings["lr"] if name == "step_size" else 0.0)

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        ops.rprop_step(
            param=params,
            grad=grads,
            previous_grad=slots["prev"],
            step_size=slots["step_size"],
            etas=settings["etas"],
            step_sizes=settings["step_sizes"],
            grad_scale=-1.0 if settings["maximize"] else 1.0,
        )
