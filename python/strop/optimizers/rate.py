"""The learning rate of an optimizer: a number, a schedule, or a function."""

from __future__ import annotations

import math
from collections.abc import Callable

from .schedule import LearningRateSchedule
from .settings import check_not_negative

Rate = float | LearningRateSchedule | Callable[[], float]


class HasRate:
    """An optimizer's learning rate by the calls it has taken."""

    op: str
    _calls = 0

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        rate = self._rate
        if isinstance(rate, float):
            return rate
        return self._finite(rate(self._calls) if isinstance(rate, LearningRateSchedule) else rate())

    @learning_rate.setter
    def learning_rate(self, rate: Rate) -> None:
        if not callable(rate):
            if isinstance(rate, bool | str) or not hasattr(rate, "__float__"):
                raise TypeError(
                    f"{self.op}: learning_rate must be a number, a schedule or a function; "
                    f"got {type(rate).__name__}"
                )
            rate = float(rate)
            check_not_negative(self.op, learning_rate=rate)
        self._rate: Rate = rate

    def _finite(self, rate: float) -> float:
        rate = float(rate)
        if not math.isfinite(rate):
            raise ValueError(f"{self.op}: learning_rate must give a finite number; got {rate}")
        return rate

    def rates(self, count: int) -> list[float]:
        """The rates of the next `count` updates; of the next one alone where a function of the user's gives them."""
        if isinstance(self._rate, LearningRateSchedule):
            return [self._finite(self._rate(self._calls + i)) for i in range(count)]
        return [self.learning_rate] * count if isinstance(self._rate, float) else [self.learning_rate]
