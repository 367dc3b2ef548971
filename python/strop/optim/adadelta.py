"""Adadelta, the torch dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ops
from .base import Optimizer
from .settings import at_least_0, check_share, coupled


class Adadelta(Optimizer):
    """The gradient is scaled by a ratio of two roots: of the mean square of its moves, and of its own mean square.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: multiplies the move.
        rho: share of the means that is kept, in [0, 1].
        eps: added inside both roots.
        weight_decay: coupled decay (L2): the rule sees `grad + weight_decay * param`.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> Adadelta([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.9996839302

    References:
        Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    every_slot = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        at_least_0(self.op, settings, "eps", "weight_decay")
        check_share(self.op, settings, "rho")

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        ops.adadelta_step(
            param=params,
            grad=grads,
            mean_square=slots["square_avg"],
            mean_square_move=slots["acc_delta"],
            learning_rate=settings["lr"],
            rho=settings["rho"],
            eps=settings["eps"],
            **coupled(settings),
        )
