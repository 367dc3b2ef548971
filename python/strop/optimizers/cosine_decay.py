"""Schedules along a cosine."""

from __future__ import annotations

import math

from .._names import check_number
from .schedule import LearningRateSchedule


class CosineDecay(LearningRateSchedule):
    """A straight warm-up, then half a cosine down to `alpha` times the rate.

    Args:
        initial_learning_rate: the rate at step 0; without warm-up also the height of the cosine.
        decay_steps: length of the cosine.
        alpha: what is left at its end, as a share.
        name: for people.
        warmup_target: the height of the cosine if there is a warm-up.
        warmup_steps: length of the warm-up.

    Example:
        >>> [round(CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=2)(step), 6) for step in (0, 1, 2, 7, 12)]
        [0.0, 0.05, 0.1, 0.05, 0.0]
    """

    settings = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")
    initial_learning_rate: float
    decay_steps: float
    alpha: float
    warmup_steps: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str | None = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self._set(
            name,
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            alpha=alpha,
            warmup_steps=warmup_steps,
        )
        if warmup_target is not None:
            check_number("CosineDecay", "warmup_target", warmup_target)
        self.warmup_target = warmup_target

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return float(top + (self.warmup_target - top) * step / self.warmup_steps)
            top, step = self.warmup_target, step - int(self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(step, self.decay_steps) / self.decay_steps))
        return float(top * ((1 - self.alpha) * cosine + self.alpha))


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine again and again, each `t_mul` times as long and `m_mul` times as high as the one before.

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: length of the first period.
        t_mul: how much longer each period is than the last, 1 or more.
        m_mul: how much higher each period starts than the last.
        alpha: what is left at the end of a period, as a share.
        name: for people.

    Example:
        >>> [round(CosineDecayRestarts(0.1, 2)(step), 6) for step in (0, 1, 2, 4, 6)]
        [0.1, 0.05, 0.1, 0.05, 0.1]

    References:
        Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """

    settings = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")
    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float
    m_mul: float
    alpha: float

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = "SGDRDecay",
    ) -> None:
        self._set(
            name,
            initial_learning_rate=initial_learning_rate,
            first_decay_steps=first_decay_steps,
            t_mul=t_mul,
            m_mul=m_mul,
            alpha=alpha,
        )
        if not t_mul >= 1:
            raise ValueError(f"CosineDecayRestarts: t_mul must be 1 or more; got {t_mul}")

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        done = step / self.first_decay_steps
        if self.t_mul == 1:
            period = math.floor(done)
            done -= period
        else:
            period = math.floor(math.log(1 - done * (1 - self.t_mul)) / math.log(self.t_mul))
            length = self.t_mul**period
            done = (done - (1 - length) / (1 - self.t_mul)) / length
        cosine = 0.5 * self.m_mul**period * (1 + math.cos(math.pi * done))
        return float(self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha))
