"""Gradient descent, the torch dialect."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from .. import ops
from .base import Optimizer
from .settings import at_least_0, coupled


class SGD(Optimizer):
    """Gradient descent: `param -= lr * grad`.

    With momentum a buffer `b = momentum b + (1 - dampening) g` takes the gradient's place, the first one `b = g`; with
    nesterov `g + momentum b` does. The buffer does not hold the rate, as Keras' does, so the two part as soon as
    the rate changes.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        momentum: share of the buffer that is kept.
        dampening: share of the gradient that does not enter the buffer.
        weight_decay: coupled decay (L2): the rule sees `grad + weight_decay * param`.
        nesterov: look ahead along the buffer; needs momentum, and no dampening.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(2)
        >>> SGD([weight], lr=0.1, momentum=0.9).step([np.array([0.1, 0.2])])
        >>> weight
        array([0.99, 0.98])

    References:
        Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
    """

    counts = False
    every_slot = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        at_least_0(self.op, settings, "momentum", "weight_decay")
        momentum, dampening = settings["momentum"], settings["dampening"]
        if settings["nesterov"] and (not momentum or dampening):
            raise ValueError(
                f"{self.op}: nesterov must come with momentum and without dampening; "
                f"got momentum={momentum} and dampening={dampening}"
            )

    def slots(self, settings: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state arrays under these settings."""
        return ("momentum_buffer",) if settings["momentum"] else ()

    def phase(self, state: dict[str, Any]) -> Hashable:
        """The first step of a buffer takes the whole gradient."""
        return "momentum_buffer" in state

    def rows_stand(self, settings: dict[str, Any]) -> bool:
        """Without momentum and decay a row without a gradient does not move."""
        return not settings["momentum"] and not settings["weight_decay"]

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        ops.sgd_step(
            param=params,
            grad=grads,
            velocity=slots.get("momentum_buffer"),
            learning_rate=settings["lr"],
            momentum=settings["momentum"],
            dampening=settings["dampening"] if phase else 0.0,
            nesterov=settings["nesterov"],
            dialect="torch",
            **coupled(settings),
        )
