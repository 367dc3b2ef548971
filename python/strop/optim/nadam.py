"""NAdam, the torch dialect."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from .. import ops
from .._device import device_of, to_device
from .base import Optimizer
from .settings import at_least_0, check_betas, decoupled_or_not


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead along the mean gradient, and a momentum that grows with the steps.

    The momentum of step t is `beta1 (1 - 0.96^(t momentum_decay) / 2)`. torch keeps the product of all of them in
    float32, which moves a step by up to 1e-7 of it. So does this class, and its numbers are torch's.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        betas: decay of the mean gradient and of the mean square.
        eps: added to the root of the mean square.
        weight_decay: coupled decay (L2): the rule sees `grad + weight_decay * param`.
        momentum_decay: how fast the momentum grows.
        decoupled_weight_decay: shrink parameters by `lr * weight_decay` instead.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> NAdam([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.8943548314

    References:
        Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    every_slot = ("exp_avg", "exp_avg_sq")
    _products: Any = None

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        check_betas(self.op, settings)
        at_least_0(self.op, settings, "eps", "weight_decay", "momentum_decay")

    def new_numbers(self) -> dict[str, Any]:
        """Steps, and the product of their momentums."""
        return {"step": 0, "mu_product": 1.0}

    def prepare_numbers(self) -> None:
        """Bring to the device what a step looks up there: the products of the momentums, up to 1e-18."""
        settings = self._settings()[0]
        products: list[float] = []
        product, step = 1.0, 0
        while not products or products[-1] > 1e-18:
            step += 1
            momentum, after = _product(step, product, settings)
            products.append(after / momentum if momentum else product)
            product = after
        self._products = to_device(np.array(products), device_of(self._arrays[0]))

    def phase(self, state: dict[str, Any]) -> Hashable:
        """What must be equal in parameters that are updated together."""
        return (state.get("step", 0), state.get("mu_product", 1.0))

    def advance(self, states: list[dict[str, Any]], settings: dict[str, Any]) -> None:
        """Say in states that a step was taken."""
        super().advance(states, settings)
        _, product = _product(states[0]["step"], states[0]["mu_product"], settings)
        for state in states:
            state["mu_product"] = product

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        step, mu_product = phase
        before: Any = self._products
        if self._given is None:
            momentum, product = _product(step + 1, mu_product, settings)
            before = product / momentum if momentum else mu_product  # the kernel multiplies it in double
        ops.nadam_step(
            param=params,
            grad=grads,
            moment1=slots["exp_avg"],
            moment2=slots["exp_avg_sq"],
            learning_rate=settings["lr"],
            step=self.number(step),
            mu_product=before,
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            eps=settings["eps"],
            momentum_decay=settings["momentum_decay"],
            **decoupled_or_not(settings),
        )


def _product(step: int, before: float, settings: dict[str, Any]) -> tuple[float, float]:
    """The momentum of a step, and the product of all up to it, rounded to float32 at every step."""
    momentum = ops.nadam_momentum(step, settings["betas"][0], settings["momentum_decay"])
    return momentum, float(np.float32(before) * np.float32(momentum))
