"""RMSprop, the Keras dialect; what `compile` takes where nothing is said."""

from __future__ import annotations

from typing import Any

from .. import ops
from .base import Optimizer
from .rate import Rate
from .settings import check_not_negative, check_unit_interval


class RMSprop(Optimizer):
    """RMSprop: each gradient over the root of its mean square, without a mean of the gradient itself.

    `param -= learning_rate * grad / sqrt(mean_square + epsilon)`. epsilon stands inside the root, as in Keras; torch
    adds its own outside. With momentum the buffer keeps whole moves, learning rate included.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        rho: decay of the mean square.
        momentum: share of the last move that is kept, in [0, 1].
        epsilon: added to the mean square.
        centered: take the mean gradient's square off the mean square.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> RMSprop(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.6837880442

    References:
        Tieleman and Hinton, Lecture 6.5, 2012; Graves, Generating sequences with recurrent neural networks, 2013.
    """

    own = ("rho", "momentum", "epsilon", "centered")
    kernel = ops.rmsprop_step

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *more: Any,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_unit_interval(self.op, rho=rho)
        check_unit_interval(self.op, closed=True, momentum=momentum)
        check_not_negative(self.op, epsilon=epsilon)
        self.rho, self.momentum, self.epsilon = float(rho), float(momentum), float(epsilon)
        self.centered = bool(centered)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        slots = {"velocity": self.momentum > 0, "mean_square": True, "mean_grad": self.centered}
        return tuple(name for name, kept in slots.items() if kept)

    def linear(self) -> tuple[dict[str, float], float]:
        """Without a gradient the means decay, and the velocity moves the parameter on."""
        return (
            {name: self.momentum if name == "velocity" else self.rho for name in self.slots()},
            -float(self.momentum > 0),
        )

    def rule_numbers(self) -> dict[str, Any] | None:
        """The rule's numbers for a step program."""
        return {"rmsprop": self.numbers()} if type(self) is RMSprop else None

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers, as its op takes them."""
        return {"rho": self.rho, "momentum": self.momentum, "eps": self.epsilon}
