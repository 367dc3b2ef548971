"""Learning rates that change with the step; the first update reads step 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._names import from_config


class LearningRateSchedule:
    """Base of the schedules: a function of the step, with a config.

    Subclasses set their settings as attributes and name them in `settings`.
    """

    settings: tuple[str, ...] = ()

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        raise NotImplementedError(f"{type(self).__name__}: a schedule must have a __call__(step)")

    def get_config(self) -> dict[str, Any]:
        """The settings, as `from_config` takes them."""
        return {name: getattr(self, name) for name in self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """The schedule that `get_config` described."""
        return cls(**config)


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps over which the rate falls by decay_rate.
        decay_rate: the factor.
        staircase: True holds the rate between whole multiples of decay_steps.

    Example:
        >>> round(ExponentialDecay(0.1, 10, 0.5)(5), 6)
        0.070711
    """

    settings = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.decay_rate, self.staircase = decay_steps, decay_rate, staircase

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

    Example:
        >>> InverseTimeDecay(0.1, 1, 0.5)(2)
        0.05
    """

    settings = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.decay_rate, self.staircase = decay_steps, decay_rate, staircase

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

    Raises:
        ValueError: values is not one longer than boundaries.

    Example:
        >>> [PiecewiseConstantDecay([2, 4], [1.0, 0.5, 0.1])(step) for step in (0, 2, 3, 4, 5)]
        [1.0, 1.0, 0.5, 0.5, 0.1]
    """

    settings = ("boundaries", "values")

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                "PiecewiseConstantDecay: values must be one longer than boundaries "
                f"({len(boundaries)}); got {len(values)}"
            )
        self.boundaries, self.values = list(boundaries), list(values)

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

    Example:
        >>> round(PolynomialDecay(0.1, 10)(5), 6)
        0.05005
    """

    settings = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        period = (
            self.decay_steps * max(1, math.ceil(step / self.decay_steps)) if self.cycle else self.decay_steps
        )
        left = 1 - min(step, period) / period
        height = self.initial_learning_rate - self.end_learning_rate
        return float(height * left**self.power + self.end_learning_rate)


class CosineDecay(LearningRateSchedule):
    """A straight warm-up, then half a cosine down to `alpha` times the rate.

    Args:
        initial_learning_rate: the rate at step 0; without warm-up also the height of the cosine.
        decay_steps: length of the cosine.
        alpha: what is left at its end, as a share.
        warmup_target: the height of the cosine if there is a warm-up.
        warmup_steps: length of the warm-up.

    Example:
        >>> [round(CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=2)(step), 6) for step in (0, 1, 2, 7, 12)]
        [0.0, 0.05, 0.1, 0.05, 0.0]
    """

    settings = ("initial_learning_rate", "decay_steps", "alpha", "warmup_target", "warmup_steps")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate, self.decay_steps, self.alpha = initial_learning_rate, decay_steps, alpha
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return float(top + (self.warmup_target - top) * step / self.warmup_steps)
            top, step = self.warmup_target, step - int(self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(step, self.decay_steps) / self.decay_steps))
        return float(top * ((1 - self.alpha) * cosine + self.alpha))


registry: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls
    for cls in (CosineDecay, ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay)
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
