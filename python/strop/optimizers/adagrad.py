"""Adagrad, the Keras dialect."""

from __future__ import annotations

from typing import Any

from .. import ops
from .base import Optimizer
from .rate import Rate
from .settings import check_not_negative


class Adagrad(Optimizer):
    """Adagrad: each gradient over the root of the sum of all its squares so far.

    `param -= learning_rate * grad / sqrt(sum_square + epsilon)`. The sum starts at 0.1 and epsilon stands inside the
    root, as in Keras; torch starts at 0 and adds its own outside.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        initial_accumulator_value: the sum before the first step.
        epsilon: added to the sum.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> Adagrad(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.9698488792

    References:
        Duchi, Hazan and Singer, Adaptive subgradient methods, 2011.
    """

    own = ("initial_accumulator_value", "epsilon")
    kernel = ops.adagrad_step

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *more: Any,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_not_negative(self.op, initial_accumulator_value=initial_accumulator_value, epsilon=epsilon)
        self.initial_accumulator_value, self.epsilon = float(initial_accumulator_value), float(epsilon)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("sum_square",)

    def start(self, slot: str) -> float:
        """The sum before the first step."""
        return self.initial_accumulator_value

    def rows_are_exact(self, decay: float) -> bool:
        """Without decay a row without a gradient does not move."""
        return not decay

    def linear(self) -> tuple[dict[str, float], float]:
        """Without a gradient decay alone moves the parameter."""
        return {"sum_square": 1.0}, 0.0

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers, as its op takes them."""
        return {"eps": self.epsilon}
