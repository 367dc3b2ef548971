"""RMSprop, the torch dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ops
from .base import Optimizer
from .settings import at_least_0, check_share, coupled


class RMSprop(Optimizer):
    """The gradient is divided by the root of a running mean of its squares.

    eps is added to the root; Keras adds its own inside. The momentum buffer does not hold the rate, as Keras' does.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        alpha: share of the means that is kept, in [0, 1].
        eps: added to the root of the mean square.
        weight_decay: coupled decay (L2): the rule sees `grad + weight_decay * param`.
        momentum: share of the buffer that is kept.
        centered: divide by the root of the variance, not of the mean square.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> RMSprop([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.0000010000

    References:
        Tieleman and Hinton, Neural networks for machine learning, lecture 6.5, 2012; Graves, Generating sequences
        with recurrent neural networks, 2013 (centered).
    """

    every_slot = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        at_least_0(self.op, settings, "eps", "weight_decay", "momentum")
        check_share(self.op, settings, "alpha")

    def slots(self, settings: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state arrays under these settings."""
        wanted = {
            "square_avg": True,
            "momentum_buffer": settings["momentum"],
            "grad_avg": settings["centered"],
        }
        return tuple(name for name, needed in wanted.items() if needed)

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        ops.rmsprop_step(
            param=params,
            grad=grads,
            mean_square=slots["square_avg"],
            mean_grad=slots.get("grad_avg"),
            velocity=slots.get("momentum_buffer"),
            learning_rate=settings["lr"],
            rho=settings["alpha"],
            momentum=settings["momentum"],
            eps=settings["eps"],
            dialect="torch",
            **coupled(settings),
        )
