"""Adamax, the Keras dialect."""

from __future__ import annotations

from typing import Any

from .. import ops
from .base import Optimizer
from .rate import Rate
from .settings import check_not_negative, check_unit_interval


class Adamax(Optimizer):
    """Adamax: Adam with the greatest gradient so far, slowly forgotten, in place of the mean square.

    `param -= learning_rate / (1 - beta_1^t) * mean / (greatest + epsilon)`. torch adds its epsilon to each gradient
    before the greatest is taken.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        beta_1: decay of the mean gradient.
        beta_2: decay of the greatest gradient.
        epsilon: added to the greatest gradient.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> Adamax(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.9000001000

    References:
        Kingma and Ba, Adam, 2015, section 7.1.
    """

    own = ("beta_1", "beta_2", "epsilon")
    kernel = ops.adamax_step

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
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), float(epsilon)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("moment1", "max_grad")

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers for the next update, as its op takes them."""
        return {"step": self.next_step, "beta1": self.beta_1, "beta2": self.beta_2, "eps": self.epsilon}
