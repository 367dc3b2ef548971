"""Adadelta, the Keras dialect."""

from __future__ import annotations

from typing import Any

from .. import ops
from .base import Optimizer
from .rate import Rate
from .settings import check_not_negative, check_unit_interval


class Adadelta(Optimizer):
    """Adadelta: each gradient over its mean size, times the mean size of the moves.

    `move = grad * sqrt(mean_square_move + epsilon) / sqrt(mean_square + epsilon)` and `param -= learning_rate * move`.
    The paper's own learning rate is 1.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        rho: decay of both mean squares.
        epsilon: added to both.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> Adadelta(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.9998585928

    References:
        Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    own = ("rho", "epsilon")
    kernel = ops.adadelta_step

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        *more: Any,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_unit_interval(self.op, rho=rho)
        check_not_negative(self.op, epsilon=epsilon)
        self.rho, self.epsilon = float(rho), float(epsilon)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("mean_square", "mean_square_move")

    def linear(self) -> tuple[dict[str, float], float]:
        """Without a gradient the means decay, and decay alone moves the parameter."""
        return {"mean_square": self.rho, "mean_square_move": self.rho}, 0.0

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers, as its op takes them."""
        return {"rho": self.rho, "eps": self.epsilon}
