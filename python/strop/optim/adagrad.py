"""Adagrad, the torch dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from .. import ops
from .._memory import filled_beside
from .base import Optimizer
from .settings import at_least_0, coupled

Array = NDArray[Any]


class Adagrad(Optimizer):
    """The gradient is divided by the root of the sum of all its squares so far.

    A row without a gradient does not move, so that a `RowGrad` costs its rows alone where there is no decay.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        lr_decay: step t has the rate `lr / (1 + (t - 1) lr_decay)`.
        weight_decay: coupled decay (L2): the rule sees `grad + weight_decay * param`.
        initial_accumulator_value: the sum before the first step.
        eps: added to the root of the sum; Keras adds its own to the sum.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> Adagrad([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.9000000001

    References:
        Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """

    every_slot = ("sum",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        at_least_0(self.op, settings, "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def new_slot(self, name: str, param: NDArray[Any], settings: dict[str, Any]) -> NDArray[Any]:
        """The sum before the first step: the constructor's for every group, as in torch."""
        return filled_beside(param, float(self.defaults["initial_accumulator_value"]))

    def rows_stand(self, settings: dict[str, Any]) -> bool:
        """Without decay a row without a gradient does not move."""
        return not settings["weight_decay"]

    def host_part(self) -> str | None:
        """What of a step the host decides, for messages; None if nothing."""
        decaying = any(group["lr_decay"] for group in self.param_groups)
        return "lr_decay" if decaying else super().host_part()

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        decay = settings["lr_decay"]
        ops.adagrad_step(
            param=params,
            grad=grads,
            sum_square=slots["sum"],
            learning_rate=settings["lr"] / (1 + phase * decay) if decay else settings["lr"],
            eps=settings["eps"],
            dialect="torch",
            **coupled(settings),
        )
