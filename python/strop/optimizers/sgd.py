"""Gradient descent, the Keras dialect."""

from __future__ import annotations

from typing import Any

from .. import ops
from .base import Optimizer
from .rate import Rate
from .settings import check_unit_interval


class SGD(Optimizer):
    """Gradient descent: `param -= learning_rate * grad`; plain gradient descent when the batch is all the data.

    With momentum the velocity `v = momentum v - learning_rate g` is added instead.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        momentum: share of the velocity that is kept, in [0, 1].
        nesterov: look ahead along the new velocity; needs momentum.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range, or nesterov without momentum.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> SGD(0.1).apply([np.array([0.1])], [param])
        >>> print(param)
        [0.99]
    """

    own = ("momentum", "nesterov")
    kernel = ops.sgd_step

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *more: Any,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_unit_interval(self.op, closed=True, momentum=momentum)
        if nesterov and not momentum:
            raise ValueError(f"{self.op}: nesterov must come with momentum; got momentum={momentum}")
        self.momentum, self.nesterov = float(momentum), bool(nesterov)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("velocity",) if self.momentum else ()

    def rows_are_exact(self, decay: float) -> bool:
        """Without momentum and decay a row without a gradient does not move."""
        return not self.momentum and not decay

    def linear(self) -> tuple[dict[str, float], float]:
        """Without a gradient the velocity decays and moves the parameter on."""
        return (
            {"velocity": self.momentum} if self.momentum else {},
            self.momentum if self.nesterov else float(self.momentum > 0),
        )

    def rule_numbers(self) -> dict[str, Any] | None:
        """The rule's numbers for a step program."""
        return {"sgd": self.numbers()} if type(self) is SGD else None

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers, as its op takes them."""
        return {"momentum": self.momentum, "nesterov": self.nesterov}
