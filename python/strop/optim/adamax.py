"""Adamax, the torch dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ops
from .base import Optimizer
from .settings import at_least_0, check_betas, coupled


class Adamax(Optimizer):
    """Adam with a decaying maximum of the gradient's size in place of the root of its mean square.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        betas: decay of the mean gradient and of the maximum.
        eps: added to each size before it is compared; Keras adds its own to the maximum.
        weight_decay: coupled decay (L2): the rule sees `grad + weight_decay * param`.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> Adamax([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.9000000100

    References:
        Kingma and Ba, Adam, 2015, section 7.1.
    """

    every_slot = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        check_betas(self.op, settings)
        at_least_0(self.op, settings, "eps", "weight_decay")

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        ops.adamax_step(
            param=params,
            grad=grads,
            moment1=slots["exp_avg"],
            max_grad=slots["exp_inf"],
            learning_rate=settings["lr"],
            step=self.number(phase),
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            eps=settings["eps"],
            dialect="torch",
            **coupled(settings),
        )
