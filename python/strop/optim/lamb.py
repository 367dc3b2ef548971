"""LAMB, as optax has it, with the words of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ops
from .base import Optimizer
from .settings import at_least_0, check_betas, decoupled


class LAMB(Optimizer):
    """Adam's step, decay included, scaled for each array to the size of the array itself: for large batches.

    `u = m_hat / (sqrt(v_hat) + eps) + weight_decay param`, `param -= lr norm(param) / norm(u) u`; where a norm is 0 the
    ratio is 1.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        betas: decay of the mean gradient and of the mean square.
        eps: added to the root of the mean square.
        weight_decay: decay, inside the ratio.
        maximize: go up the gradient.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> LAMB([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.9000000000

    References:
        You et al., Large batch optimization for deep learning: training BERT in 76 minutes, 2020.
    """

    every_slot = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
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
        if self.sparse == "touched":
            raise ValueError(f"{self.op}: sparse must be 'exact', 'dense' or None; got 'touched'")

    def decoupled(self, settings: dict[str, Any]) -> bool:
        """The decay never enters the gradient."""
        return True

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        ops.lamb_step(
            param=params,
            grad=grads,
            moment1=slots["exp_avg"],
            moment2=slots["exp_avg_sq"],
            learning_rate=settings["lr"],
            step=self.number(phase),
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            eps=settings["eps"],
            **decoupled(settings),
        )
