"""Learning rates that change with the step; the first update reads step 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._names import check_number, from_config
from .cosine_decay import CosineDecay, CosineDecayRestarts
from .schedule import LearningRateSchedule


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps over which the rate falls by decay_rate.
        decay_rate: the factor.
        staircase: True holds the rate between whole multiples of decay_steps.
        name: for people.

    Example:
        >>> round(ExponentialDecay(0.1, 10, 0.5)(5), 6)
        0.070711
    """

    settings = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "ExponentialDecay",
    ) -> None:
        numbers = {"initial_learning_rate": initial_learning_rate, "decay_rate": decay_rate}
        self._set(name, {"staircase": staircase}, decay_steps=decay_steps, **numbers)

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        power = step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (
            math.floor(power) if self.staircase else power
        )


class InverseTimeDecay(LearningRateSchedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps per unit of time.
        decay_rate: how much the divisor grows per unit.
        staircase: True holds the rate between whole multiples of decay_steps.
        name: for people.

    Example:
        >>> InverseTimeDecay(0.1, 1, 0.5)(2)
        0.05
    """

    settings = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "InverseTimeDecay",
    ) -> None:
        numbers = {"initial_learning_rate": initial_learning_rate, "decay_rate": decay_rate}
        self._set(name, {"staircase": staircase}, decay_steps=decay_steps, **numbers)

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        time = step / self.decay_steps
        return self.initial_learning_rate / (
            1 + self.decay_rate * (math.floor(time) if self.staircase else time)
        )


class PiecewiseConstantDecay(LearningRateSchedule):
    """Constant values between boundaries.

    Args:
        boundaries: rising steps; the value before a boundary holds at the boundary itself.
        values: one more than boundaries.
        name: for people.

    Raises:
        ValueError: values is not one longer than boundaries, or a number is not finite.
        TypeError: one is no number.

    Example:
        >>> [PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1])(step) for step in (0, 2, 3, 4, 5)]
        [1.0, 1.0, 0.5, 0.5, 0.1]
    """

    settings = ("boundaries", "values", "name")

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str | None = "PiecewiseConstant"
    ) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                "PiecewiseConstantDecay: values must be one longer than boundaries "
                f"({len(boundaries)}); got {len(values)}"
            )
        for number in (*boundaries, *values):
            check_number("PiecewiseConstantDecay", "boundaries and values", number)
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        return self.values[sum(step > boundary for boundary in self.boundaries)]


class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to the end rate along `(1 - step / decay_steps) ** power`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the step from which the end rate holds.
        end_learning_rate: the rate after decay_steps.
        power: 1 is a straight line.
        cycle: True starts again with longer and longer periods.
        name: for people.

    Example:
        >>> round(PolynomialDecay(0.1, 10)(5), 6)
        0.05005
    """

    settings = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")
    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float
    power: float
    cycle: bool

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = "PolynomialDecay",
    ) -> None:
        numbers = {"initial_learning_rate": initial_learning_rate, "end_learning_rate": end_learning_rate}
        self._set(name, {"cycle": cycle}, decay_steps=decay_steps, power=power, **numbers)

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        period = (
            self.decay_steps * max(1, math.ceil(step / self.decay_steps)) if self.cycle else self.decay_steps
        )
        left = 1 - min(step, period) / period
        height = self.initial_learning_rate - self.end_learning_rate
        return float(height * left**self.power + self.end_learning_rate)


registry: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def rate_config(rate: Any) -> Any:
    """What a config says of a learning rate: a number, or the class and config of a schedule.

    Example:
        >>> rate_config(InverseTimeDecay(0.1, 1, 0.5))["class_name"]
        'InverseTimeDecay'
    """
    if isinstance(rate, LearningRateSchedule):
        return {"class_name": type(rate).__name__, "config": rate.get_config()}
    return float(rate()) if callable(rate) else rate


def rate_from_config(op: str, config: dict[str, Any]) -> LearningRateSchedule:
    """The schedule that `rate_config` described; its class comes from `registry` alone."""
    return from_config(registry, config, op, "learning_rate must be a known schedule")
