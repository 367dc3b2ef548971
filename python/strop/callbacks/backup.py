"""A fit that was killed goes on where it was, with the bits of one that was not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .base import Callback, Logs


class BackupAndRestore(Callback):
    """Keep what a fit needs to go on, after each epoch; the next fit with the same folder goes on from there.

    Run the same script again after a crash, a power cut or `kill -9`: the epochs that were done are not repeated, and
    weights, history and files are bit for bit those of a run that was never interrupted. The backup holds the weights,
    the optimizer's state and learning rate, the random streams that shuffle and drop out, and the state of the other
    callbacks: how long `EarlyStopping` has waited, its best weights, the history. It is one file that is replaced in
    one rename, so it is whole at any moment. When the fit has ended it is removed.

    A callback of your own takes part by naming its attributes in `state_attributes`, or by `get_state` and
    `set_state`. What it does not name, and a data source that goes on from epoch to epoch by itself, starts afresh.

    Args:
        backup_dir: folder of the backup, made if it is missing; one per fit.
        save_freq: `"epoch"`. Amid an epoch there is no state from which the bits would be the same.
        double_checkpoint: means nothing here: a backup is never half written.
        delete_checkpoint: False keeps the backup of the last epoch when the fit has ended.

    Raises:
        ValueError: save_freq is something else, or backup_dir is empty; or, when the fit begins, the backup is damaged
            or of another model, optimizer or list of callbacks. Nothing has changed then.
        OSError: the backup cannot be read or written.

    Example:
        >>> import tempfile, strop
        >>> from strop.callbacks import LambdaCallback
        >>> def stop(epoch, logs):
        ...     if epoch == 2:
        ...         raise KeyboardInterrupt  # or a power cut
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = strop.Sequential([strop.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     data = [[0.0], [1.0]], [0.0, 2.0]
        ...     try:
        ...         backup = BackupAndRestore(folder + "/backup")
        ...         model.fit(*data, epochs=5, verbose=0, callbacks=[LambdaCallback(on_epoch_begin=stop), backup])
        ...     except KeyboardInterrupt:
        ...         again = model.fit(*data, epochs=5, verbose=0, callbacks=[LambdaCallback(), backup])
        >>> again.epoch
        [0, 1, 2, 3, 4]
    """

    records = True
    keeps_others = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not os.fspath(backup_dir):
            raise ValueError("BackupAndRestore: backup_dir must name a folder; got an empty text")
        if save_freq != "epoch":
            raise ValueError(f"BackupAndRestore: save_freq must be 'epoch'; got {save_freq!r}")
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint

    @property
    def path(self) -> Path:
        """The file."""
        return self.backup_dir / "backup.strop"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Go on from a backup, if there is one."""
        if not self.path.exists():
            return
        kept = self.model.load_backup(self.path, self._check)
        self.model._initial_epoch = kept["epoch"] + 1
        self.model.stop_training = kept["stop_training"]
        for callback, (_, state) in zip(self._others(), kept["callbacks"], strict=True):
            callback.set_state(state)

    def _others(self) -> list[Callback]:
        """The callbacks that have a state."""
        return [
            each
            for each in self.callbacks
            if each.state_attributes or type(each).get_state is not Callback.get_state
        ]

    def _check(self, kept: Any) -> None:
        """Refuse a backup of another fit, before anything is written."""
        op = "BackupAndRestore"
        good = isinstance(kept, Mapping) and set(kept) == {"epoch", "stop_training", "steps", "callbacks"}
        if not good or type(kept["epoch"]) is not int or not isinstance(kept["callbacks"], list):
            raise ValueError(f"{op}: {self.path} must be a backup of a fit; got another structure")
        mine = [type(each).__name__ for each in self._others()]
        stored = [str(entry[0]) for entry in kept["callbacks"] if isinstance(entry, list) and len(entry) == 2]
        if mine != stored:
            raise ValueError(
                f"{op}: callbacks must be those of the interrupted fit ({', '.join(stored)}); got {', '.join(mine)}"
            )
        for callback, (name, state) in zip(self._others(), kept["callbacks"], strict=True):
            if not isinstance(state, Mapping) or not set(callback.state_attributes) <= set(state):
                raise ValueError(
                    f"{op}: state of {name} must be what its get_state gives; got another structure"
                )
        steps = self.params.get("steps")
        if kept["steps"] != steps:
            raise ValueError(
                f"{op}: fit must have the steps per epoch of the interrupted one ({kept['steps']}); got {steps}; "
                f"to start afresh remove {self.path}"
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Replace the backup."""
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        kept = {
            "epoch": epoch,
            "stop_training": bool(self.model.stop_training),
            "steps": self.params.get("steps"),
            "callbacks": [[type(each).__name__, each.get_state()] for each in self._others()],
        }
        self.model.save_backup(self.path, kept)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Remove the backup; the folder too if nothing else is in it."""
        if self.delete_checkpoint:
            self.path.unlink(missing_ok=True)
            with suppress(OSError):
                self.backup_dir.rmdir()
