"""The history as a CSV file that grows with each epoch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .._files import name_file
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
        OSError: the file cannot be written.
    """

    records = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character; got {separator!r}")
        self.filename = Path(filename)
        self.separator = separator
        self.append = append
        self._columns: list[str] | None = None
        self._replaces = False

    @contextmanager
    def _opened(self, mode: str) -> Iterator[IO[str]]:
        """The file. Opened and closed each time: nothing stays open if the fit ends by an exception."""
        try:
            with self.filename.open(mode, newline="", encoding="utf-8") as file:
                yield file
        except OSError as error:
            name_file(error, self.filename)
            raise

    def _write(self, row: list[str], mode: str = "a") -> None:
        import csv  # 3 ms, which only those who log pay

        with self._opened(mode) as file:
            csv.writer(file, delimiter=self.separator, lineterminator="\n").writerow(row)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Open the file, and read the columns of one to go on with."""
        self._columns = None
        # An old file goes when the first line is written: an interrupted fit that is resumed still needs it.
        self._replaces = not self.append
        import csv

        with self._opened("a+") as file:
            file.seek(0)
            header = None if self._replaces else next(csv.reader(file, delimiter=self.separator), None)
        if header and header[0] == "epoch":
            self._columns = header[1:]

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Empty an old file if there was no epoch to write."""
        self._start()

    def _start(self) -> None:
        if self._replaces:
            self.filename.open("w").close()
            self._replaces = False

    def get_state(self) -> dict[str, Any]:
        """The columns, and how long the file is with the lines so far."""
        return {"columns": self._columns, "size": self.filename.stat().st_size}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on after the last line that belongs to the state; later ones will be written again."""
        self._replaces = False
        with self.filename.open("r+b") as file:
            file.truncate(min(int(state["size"]), self.filename.stat().st_size))
            self._columns = state["columns"] if file.seek(0, os.SEEK_END) else None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch's line."""
        self._start()
        logs = logs or {}
        if self._columns is None:
            self._columns = [*self.log_names, *(name for name in logs if name not in self.log_names)]
            self._write(["epoch", *self._columns])
        values = ("NA" if name not in logs else str(logs[name]) for name in self._columns)
        self._write([str(epoch), *values])
