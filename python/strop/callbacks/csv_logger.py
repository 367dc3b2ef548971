"""The history as a CSV file that grows with each epoch."""

from __future__ import annotations

import os
from pathlib import Path

from .base import Callback, Logs


class CSVLogger(Callback):
    """Write one line per epoch: its number and the values of the history. The file is whole after each epoch.

    The columns are those of the history, or with append those of the existing file. A value that an epoch
    does not produce is `NA`.

    Args:
        filename: the file; its folder must exist.
        separator: between the columns, one character.
        append: go on with an existing file instead of replacing it.

    Raises:
        ValueError: separator is not one character.
        OSError: when the fit begins, the file cannot be written.
    """

    records = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character; got {separator!r}")
        self.filename = Path(filename)
        self.separator = separator
        self.append = append
        self._columns: list[str] | None = None

    def _write(self, row: list[str], mode: str = "a") -> None:
        import csv  # 3 ms, which only those who log pay

        # Opened and closed each time: nothing stays open if the fit ends by an exception.
        with self.filename.open(mode, newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=self.separator, lineterminator="\n").writerow(row)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Open the file, and read the columns of one to go on with."""
        self._columns = None
        if not self.append:
            self.filename.open("w").close()
            return
        import csv

        with self.filename.open("a+", newline="", encoding="utf-8") as file:
            file.seek(0)
            header = next(csv.reader(file, delimiter=self.separator), None)
        if header and header[0] == "epoch":
            self._columns = header[1:]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch's line."""
        logs = logs or {}
        if self._columns is None:
            self._columns = [*self.log_names, *(name for name in logs if name not in self.log_names)]
            self._write(["epoch", *self._columns])
        values = ("NA" if name not in logs else str(logs[name]) for name in self._columns)
        self._write([str(epoch), *values])
