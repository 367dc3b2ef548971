"""The record of a fit, and functions as callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._names import check_kwargs
from .base import HOOKS, OLD_NAMES, Callback, Logs

Function = Callable[..., Any] | None


class History(Callback):
    """What `fit` returns: the values of each epoch.

    Attributes:
        epoch: the numbers of the epochs, from 0.
        history: for each name a list of Python floats, one per epoch that produced it.

    Example:
        >>> history = History()
        >>> history.on_train_begin()
        >>> history.on_epoch_end(0, {"loss": 0.5})
        >>> history.on_epoch_end(1, {"loss": 0.25})
        >>> history.epoch, history.history
        ([0, 1], {'loss': [0.5, 0.25]})
    """

    records = True
    state_attributes = ("epoch", "history")

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start empty."""
        self.epoch, self.history = [], {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch down."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            plain = [float(each) for each in value] if isinstance(value, list) else float(value)
            if name not in self.history:
                self._insert(name)
            self.history[name].append(plain)

    def _insert(self, name: str) -> None:
        """A new name, in the order of the fit's own values, those of callbacks behind them."""
        known = [*self.history, name]
        order = [n for n in self.log_names if n in known]
        order += [n for n in known if n not in order]
        self.history = {n: self.history.get(n, []) for n in order}


class LambdaCallback(Callback):
    """Functions as a callback; each takes what its hook takes.

    Args:
        on_epoch_begin: (epoch, logs).
        on_epoch_end: (epoch, logs).
        on_train_begin: (logs).
        on_train_end: (logs).
        on_train_batch_begin: (batch, logs).
        on_train_batch_end: (batch, logs).
        hooks: further ones by their names.

    Raises:
        TypeError: a name is no hook.

    Example:
        >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
        >>> callback.on_epoch_end(3, {"loss": 0.5})
        3 0.5
    """

    def __init__(
        self,
        on_epoch_begin: Function = None,
        on_epoch_end: Function = None,
        on_train_begin: Function = None,
        on_train_end: Function = None,
        on_train_batch_begin: Function = None,
        on_train_batch_end: Function = None,
        **hooks: Function,
    ) -> None:
        check_kwargs("LambdaCallback", hooks, [*HOOKS, *OLD_NAMES.values()])
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be callable; got {type(function).__name__}")
            setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Stop after the first batch whose loss is NaN or infinite.

    Args:
        raise_error: raise RuntimeError instead of stopping quietly.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"fit: loss must be finite; got {loss} at batch {batch}")
        print(f"Batch {batch}: loss is {loss}, training stops")
        self.model.stop_training = True
