"""Callbacks that set the learning rate between epochs. Each writes it into the history."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from .._names import check_number
from .base import Callback, Logs
from .monitor import MonitorCallback, check_epochs


def _learning_rate(op: str, model: Any) -> float:
    """The rate, if it can be set: a schedule would be lost in silence."""
    given = getattr(model.optimizer, "_rate", model.optimizer.learning_rate)
    if not isinstance(given, float | int):
        raise TypeError(
            f"{op}: optimizer.learning_rate must be a number to be set; got {type(given).__name__}"
        )
    return float(given)


def _takes_rate(schedule: Callable[..., Any]) -> bool:
    try:
        inspect.signature(schedule).bind(0, 0.1)
    except TypeError:
        return False
    except ValueError:  # a builtin that tells nothing
        return True
    return True


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch.

    Args:
        schedule: `schedule(epoch, learning_rate)`, or of the epoch alone, gives the new rate; the first
            epoch is 0.
        verbose: 1 prints the rate.

    Raises:
        TypeError: schedule cannot be called or does not give a number; or, when the fit begins, the optimizer has a
            schedule of its own.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(
                f"LearningRateScheduler: schedule must be callable; got {type(schedule).__name__}"
            )
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes_rate(schedule)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse an optimizer that has a schedule."""
        _learning_rate("LearningRateScheduler", self.model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the rate."""
        old = _learning_rate("LearningRateScheduler", self.model)
        rate = self.schedule(epoch, old) if self._takes_rate else self.schedule(epoch)
        if isinstance(rate, bool | str) or not hasattr(rate, "__float__"):
            raise TypeError(f"LearningRateScheduler: schedule must give a number; got {type(rate).__name__}")
        if not math.isfinite(rate) or rate < 0:
            raise ValueError(f"LearningRateScheduler: schedule must give 0 or more; got {float(rate)}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {float(rate):.4g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the rate into the history."""
        if logs is not None:
            logs["learning_rate"] = _learning_rate("LearningRateScheduler", self.model)


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by `factor` when a value has not improved for `patience` epochs.

    Args:
        monitor: the value to watch.
        factor: below 1.
        patience: epochs without improvement.
        verbose: 1 prints the new rate.
        mode: `"min"`, `"max"`, or `"auto"`, which goes by the name.
        min_delta: an improvement must be greater than this.
        cooldown: epochs after a reduction that do not count.
        min_lr: the rate does not go below this.

    Raises:
        ValueError: factor is 1 or more, or a number is negative or not finite.
        TypeError: a setting is of another kind; or, when the fit begins, the optimizer has a schedule.
    """

    state_attributes = ("best", "wait", "cooldown_left")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        check_epochs("ReduceLROnPlateau", "patience", patience)
        check_epochs("ReduceLROnPlateau", "cooldown", cooldown)
        check_number("ReduceLROnPlateau", "min_lr", min_lr, low=0)
        if not 0 <= check_number("ReduceLROnPlateau", "factor", factor) < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must lie in [0, 1); got {factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.wait = 0
        self.cooldown_left = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start counting; an optimizer that has a schedule is refused."""
        _learning_rate("ReduceLROnPlateau", self.model)
        self._reset()
        self.warn_if_missing()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the value, and write the rate of this epoch into the history."""
        old = _learning_rate("ReduceLROnPlateau", self.model)
        if logs is not None:
            logs["learning_rate"] = old
        value = self.current(logs)
        if value is None:
            return
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.wait = 0
        if self.better(value, self.best):
            self.best = value
            self.wait = 0
        elif self.cooldown_left <= 0:
            self.wait += 1
            if self.wait >= self.patience and old > self.min_lr:
                self._reduce(epoch, old)

    def _reduce(self, epoch: int, old: float) -> None:
        rate = max(old * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = rate
        self.cooldown_left = self.cooldown
        self.wait = 0
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate falls from {old:.4g} to {rate:.4g}")
