"""Save the model as it trains."""

from __future__ import annotations

import os
from typing import Any

from .._checkpoint import check_path
from .base import Logs
from .monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Save the model after each epoch, or after every so many batches, or only when a value improves.

    Args:
        filepath: where to; `{epoch:02d}`, counted from 1, and the name of any value in braces are filled in,
            as in `"model-{epoch:02d}-{val_loss:.3f}.safetensors"`.
        monitor: the value that save_best_only goes by.
        verbose: 1 prints each save.
        save_best_only: save only when the value improves; a value that this fit never has, of which it warns at the
            start, saves every time, so that no work is lost.
        save_weights_only: save the weights without layers and optimizer.
        mode: `"min"`, `"max"`, or `"auto"`, which goes by the name.
        save_freq: `"epoch"`, or a number of batches.
        initial_value_threshold: the value that the first save must beat.

    Raises:
        TypeError: filepath is no text and no path.
        ValueError: save_freq is something else, or the suffix of filepath belongs to another format; or, when saving,
            filepath names an unknown value or asks for more than it has.
    """

    state_attributes = ("best", "_batches")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        is_count = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not is_count:
            raise ValueError(
                f"ModelCheckpoint: save_freq must be 'epoch' or a number of batches; got {save_freq!r}"
            )
        # Now, and not when the first epoch is done; a suffix with a value in it, as in `{loss:.3f}`, is not known yet.
        if isinstance(filepath, str | os.PathLike) and "}" in os.path.splitext(os.fspath(filepath))[1]:
            self.filepath = os.fspath(filepath)
        else:
            self.filepath = check_path("ModelCheckpoint", filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._batches = 0
        self._epoch = 0
        if isinstance(save_freq, int):
            # An attribute of the object, so that saving by epochs has no batch hook to pay for.
            vars(self)["on_train_batch_end"] = self._after_batch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Warn if the value to go by will be missing."""
        self._batches = 0
        if self.save_best_only:
            self.warn_if_missing()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Remember the epoch for the name of the file."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is by epochs."""
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _after_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if isinstance(self.save_freq, int) and self._batches % self.save_freq == 0:
            self._save(self._epoch, {"batch": batch + 1, **(logs or {})})

    def _path(self, epoch: int, logs: dict[str, Any]) -> str:
        try:
            return self.filepath.format(epoch=epoch + 1, **logs)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            known = ", ".join(["epoch", *logs])
            raise ValueError(
                f"ModelCheckpoint: filepath must name values of this fit ({known}); got {self.filepath!r}"
            ) from error

    def _save(self, epoch: int, logs: dict[str, Any]) -> None:
        if self.save_best_only:
            value = self.current(logs)
            if value is not None and self.better(value, self.best):
                self.best = value
            elif value is not None or self.can_come():
                return
        path = self._path(epoch, logs)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")
