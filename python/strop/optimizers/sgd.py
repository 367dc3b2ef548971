"""Gradient descent, the Keras dialect."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .. import ops
from ..rowgrad import RowGrad
from .base import Optimizer, Rate
from .settings import check_unit_interval

Array = NDArray[Any]


class SGD(Optimizer):
    """Gradient descent: `param -= learning_rate * grad`; plain gradient descent when the batch is all the data.

    With momentum the velocity `v = momentum v - learning_rate g` is added instead.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        momentum: share of the velocity that is kept, in [0, 1].
        nesterov: look ahead along the new velocity; needs momentum.
        settings: those of every `Optimizer`: weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, gradient_accumulation_steps, name, sparse.

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

    def __init__(
        self, learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, **settings: Any
    ) -> None:
        super().__init__(learning_rate, **settings)
        check_unit_interval(self.op, closed=True, momentum=momentum)
        if nesterov and not momentum:
            raise ValueError(f"{self.op}: nesterov must come with momentum; got momentum={momentum}")
        self.momentum, self.nesterov = float(momentum), bool(nesterov)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("velocity",) if self.momentum else ()

    def rows_are_exact(self, decay: float) -> bool:
        """Without momentum and decay a row without a gradient does not move."""
        return not self.momentum and not decay

    def rule_numbers(self) -> dict[str, Any] | None:
        """The rule's numbers for a step program."""
        return {"sgd": {"momentum": self.momentum, "nesterov": self.nesterov}} if type(self) is SGD else None

    def update(
        self,
        params: list[Array],
        grads: list[Array],
        state: dict[str, list[Array]],
        rate: float,
        decays: list[float],
    ) -> None:
        """One step of all dense gradients in one call."""
        ops.sgd_step(
            param=params,
            grad=grads,
            velocity=state.get("velocity"),
            learning_rate=rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=decays,
        )

    def update_rows(
        self, param: Array, grad: RowGrad, state: dict[str, Any], rate: float, decay: float
    ) -> None:
        """One step of the rows that have a gradient; the others stand still."""
        ops.sgd_step(
            param=param,
            grad=grad,
            **state,
            learning_rate=rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=decay,
        )
