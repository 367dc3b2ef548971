"""Lion, as optax has it, with the words of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ops
from .base import Optimizer
from .settings import at_least_0, check_betas, decoupled


class Lion(Optimizer):
    """Every element moves by the learning rate, along the sign of a mixture of the gradient and its running mean.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: step length; a tenth to a third of what Adam takes.
        betas: share of the mean in the mixture, and decay of the mean.
        weight_decay: decoupled decay: parameters also shrink by `lr * weight_decay` at each step.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> Lion([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.9000000000

    References:
        Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """

    every_slot = ("exp_avg",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        check_betas(self.op, settings)
        at_least_0(self.op, settings, "weight_decay")

    def decoupled(self, settings: dict[str, Any]) -> bool:
        """The decay never enters the gradient."""
        return True

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        ops.lion_step(
            param=params,
            grad=grads,
            moment1=slots["exp_avg"],
            learning_rate=settings["lr"],
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            **decoupled(settings),
        )
