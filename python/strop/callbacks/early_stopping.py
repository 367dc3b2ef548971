"""Stop when a value no longer improves, or once it is good enough."""

from __future__ import annotations

from typing import Any

from .._names import check_number
from .base import Logs
from .monitor import MonitorCallback, check_epochs


class EarlyStopping(MonitorCallback):
    """Stop the fit when a value has not improved for `patience` epochs, or has reached `threshold`.

    Args:
        monitor: the value to watch.
        min_delta: an improvement must be greater than this.
        patience: epochs without improvement after which to stop; None never stops for want of improvement,
            which leaves the threshold alone.
        verbose: 1 prints when and why.
        mode: `"min"`, `"max"`, or `"auto"`, which goes by the name.
        baseline: the count of epochs starts again only at improvements that also beat this.
        restore_best_weights: put the weights of the best epoch back at the end, also when the fit ran out.
        start_from_epoch: epochs before this one are not looked at.
        threshold: stop once the value is this good: at most it, or at least it where higher is better.

    Attributes:
        stopped_epoch: the epoch that was the last one, 0 if the fit ran out.
        best_epoch: the epoch with the best value.
        best: that value.

    Raises:
        ValueError: mode is unknown, patience is negative, or a number is not finite.
        TypeError: a setting is of another kind.

    Example:
        >>> stop = EarlyStopping(monitor="loss", patience=None, threshold=0.2)
        >>> stop.reached(0.25), stop.reached(0.2)
        (False, True)
    """

    state_attributes = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights", "_reason")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int | None = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if patience is not None:
            check_epochs("EarlyStopping", "patience", patience)
        check_epochs("EarlyStopping", "start_from_epoch", start_from_epoch)
        for name, value in (("baseline", baseline), ("threshold", threshold)):
            if value is not None:
                check_number("EarlyStopping", name, value)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.threshold = threshold
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: Any = None
        self._reason = ""

    def reached(self, value: float) -> bool:
        """Whether the value is as good as the threshold."""
        if self.threshold is None:
            return False
        return value >= self.threshold if self.higher else value <= self.threshold

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start counting."""
        self._reset()
        self.warn_if_missing()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the value."""
        value = self.current(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.restore_best_weights and self.best_weights is None:
            # Weights to go back to, even if no value of this fit is a number.
            self._remember(epoch)
        improved = self.better(value, self.best)
        if improved:
            self.best = value
            self._remember(epoch)
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
        if self.reached(value):
            self._stop(epoch, f"{self.monitor} has reached {value:.4g}")
        elif not improved and self.patience is not None and self.wait >= self.patience and epoch > 0:
            self._stop(epoch, f"{self.monitor} has not improved since epoch {self.best_epoch + 1}")

    def _remember(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def _stop(self, epoch: int, reason: str) -> None:
        self.stopped_epoch = epoch
        self._reason = reason
        self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Put the best weights back, if asked."""
        if self._reason and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping, {self._reason}")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Weights of epoch {self.best_epoch + 1} are restored")
            self.model.set_weights(self.best_weights)
