"""Lion, the Keras dialect."""

from __future__ import annotations

from typing import Any

from .. import ops
from .base import Optimizer
from .rate import Rate
from .settings import check_above_0, check_unit_interval


class Lion(Optimizer):
    """Lion: a step of one length along the sign of a mean of the gradient.

    `param -= learning_rate * sign(beta_1 moment + (1 - beta_1) grad)`, then the moment decays by beta_2. Its learning
    rates are 3 to 10 times smaller than Adam's, its weight decays as much greater.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        beta_1: share of the moment in the sign, above 0.
        beta_2: decay of the moment.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> Lion(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.9000000000

    References:
        Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """

    own = ("beta_1", "beta_2")
    kernel = ops.lion_step

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        *more: Any,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_above_0(self.op, beta_1=beta_1)
        check_unit_interval(self.op, beta_1=beta_1, beta_2=beta_2)
        self.beta_1, self.beta_2 = float(beta_1), float(beta_2)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("moment1",)

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers, as its op takes them."""
        return {"beta1": self.beta_1, "beta2": self.beta_2}
