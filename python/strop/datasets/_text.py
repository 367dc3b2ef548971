"""Small text files that a user has at hand: found by a path or in `$STROP_DATA`, never downloaded, never trusted."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Bytes of the largest file that is read; the largest of those it is made for has 1.1 MB.
MAX_BYTES = 64 << 20


def read_text(op: str, path: str | os.PathLike[str], name: str, source: str) -> tuple[str, Path]:
    """The text of a file, and where it was found.

    Args:
        op: the function that messages begin with.
        path: what the user gave: the file or a folder with it; the bare name means none.
        name: of the file.
        source: where a user gets it, for the message that it is not there.

    Raises:
        FileNotFoundError: it is neither at the path nor, without one, in `$STROP_DATA`.
        ValueError: it is larger than 64 MiB or no UTF-8.
    """
    found = _found(op, path, name, source)
    with found.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{op}: {found} must be at most {MAX_BYTES} bytes; got more")
    try:
        return content.decode("utf-8-sig"), found
    except UnicodeDecodeError as error:
        raise ValueError(f"{op}: {found} must be UTF-8; got {error.reason} at byte {error.start}") from None


def _found(op: str, path: str | os.PathLike[str], name: str, source: str) -> Path:
    if os.fspath(path) != name:
        given = Path(path)
        given = given / name if given.is_dir() else given
        if not given.exists():
            raise FileNotFoundError(f"{op}: path must exist; got {os.fspath(given)!r}; {source}")
        return given
    data = os.environ.get("STROP_DATA")
    places = [Path(data) / name, *Path(data).glob(f"*/{name}")] if data and Path(data).is_dir() else []
    for place in [*places, Path(name)]:
        if place.exists():
            return place
    raise FileNotFoundError(f"{op}: {name} must be at the given path or in $STROP_DATA; got none; {source}")


@contextmanager
def parsing(op: str, path: Path, what: str) -> Iterator[None]:
    """Say what a file must be where reading it fails."""
    try:
        yield
    except (ValueError, IndexError, KeyError, OverflowError, csv.Error) as error:
        raise ValueError(f"{op}: {path} must be {what}; got {str(error)[:200]}") from None


def csv_columns(text: str, columns: list[Callable[[str], Any]]) -> list[list[Any]]:
    """The columns of a CSV with a header line, each value read by its column's function.

    Raises:
        ValueError: a line has another number of values, or a value cannot be read.
    """
    rows = list(csv.reader(io.StringIO(text)))[1:]
    for i, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(f"{len(row)} values in line {i + 2}")
    if not rows:
        raise ValueError("no line")
    return [[read(row[i]) for row in rows] for i, read in enumerate(columns)]


def finite(text: str) -> float:
    """A finite number."""
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(f"the number {text!r}")
    return value
