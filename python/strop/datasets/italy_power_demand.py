"""Italian power demand (Keogh et al. 2006): days of 24 hours, from October to March or from April to September."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._text import finite, parsing, read_text

Array = NDArray[Any]
Split = tuple[Array, Array]

_SOURCE = "get it from https://www.timeseriesclassification.com/description.php?Dataset=ItalyPowerDemand"


def load_data(path: str | os.PathLike[str] = ".") -> tuple[Split, Split]:
    """Load the days: 67 to train, 1,029 to test, each scaled to mean 0 and deviation 1.

    A user gets the files from https://www.timeseriesclassification.com, data set ItalyPowerDemand.

    Args:
        path: the folder with `ItalyPowerDemand_TRAIN.ts` and `ItalyPowerDemand_TEST.ts`; where it has none they are
            looked for in `$STROP_DATA`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: x float64 (N, 24), y int64, 0 for winter and 1 for summer.

    Raises:
        FileNotFoundError: there are no such files; the message says where to get them.
        ValueError: a file holds other things.
    """
    op = "italy_power_demand.load_data"
    train, test = (_split(op, path, f"ItalyPowerDemand_{part}.ts") for part in ("TRAIN", "TEST"))
    return train, test


def _split(op: str, path: str | os.PathLike[str], name: str) -> Split:
    text, found = read_text(op, name if os.fspath(path) == "." else path, name, _SOURCE)
    with parsing(op, found, "series of 24 numbers, each with its class 1 or 2"):
        _, data, rows = text.partition("@data\n")
        if not data:
            raise ValueError("no line @data")
        series, labels = [], []
        for line in filter(None, rows.splitlines()):
            numbers, _, label = line.partition(":")
            values = [finite(value) for value in numbers.split(",")]
            if len(values) != 24 or label.strip() not in ("1", "2"):
                raise ValueError(f"{len(values)} numbers of class {label[:20]!r}")
            series.append(values)
            labels.append(int(label) - 1)
        if not series:
            raise ValueError("no series")
        return np.array(series), np.array(labels, np.int64)
