"""LAMB, the Keras dialect."""

from __future__ import annotations

from typing import Any

from .. import ops
from .base import Optimizer
from .rate import Rate
from .settings import check_not_negative, check_unit_interval


class Lamb(Optimizer):
    """LAMB: Adam whose move of a parameter is as long as the parameter itself, times the learning rate.

    The move is `moment1 / (1 - beta_1^t)` over `sqrt(moment2 / (1 - beta_2^t)) + epsilon`, times the norm of the
    parameter over the norm of the move. weight_decay shrinks the parameter before, as in Keras; optax adds it to the
    move whose norm is taken.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean square.
        epsilon: added to the root of the mean square.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> Lamb(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.9000000000

    References:
        You et al., Large batch optimization for deep learning, 2020.
    """

    own = ("beta_1", "beta_2", "epsilon")
    kernel = ops.lamb_step

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *more: Any,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_unit_interval(self.op, beta_1=beta_1, beta_2=beta_2)
        check_not_negative(self.op, epsilon=epsilon)
        if self.sparse == "touched":
            raise ValueError(
                "Lamb: sparse='touched' cannot be had with norms of whole parameters; use sparse='dense'"
            )
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), float(epsilon)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("moment1", "moment2")

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers for the next update, as its op takes them."""
        return {"step": self.next_step, "beta1": self.beta_1, "beta2": self.beta_2, "eps": self.epsilon}

    def update(
        self, params: Any, grads: Any, state: dict[str, Any], rate: float, decays: Any, scale: float
    ) -> None:
        """One step of a list of arrays, which have decayed before their norms are taken."""
        ops.lamb_step(
            param=params,
            grad=grads,
            **state,
            learning_rate=rate,
            dialect="keras",
            weight_decay=decays,
            grad_scale=scale,
            **self.numbers(),
        )
