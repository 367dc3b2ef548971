"""Yearly sunspots since 1700, counted by the observatories of Zurich and Brussels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._text import csv_columns, finite, parsing, read_text

Array = NDArray[Any]

_NAME = "sunspots.csv"
_SOURCE = "pip install statsmodels has it as statsmodels/datasets/sunspots/sunspots.csv"


def load_data(path: str | os.PathLike[str] = _NAME) -> tuple[Array, Array]:
    """Load the series.

    A user finds the file in the package statsmodels, as `statsmodels/datasets/sunspots/sunspots.csv`.

    Args:
        path: the file `sunspots.csv` (year, number, after a header line) or a folder with it; without one it is looked
            for in `$STROP_DATA`.

    Returns:
        Years, int64, and numbers of sunspots, float64.

    Raises:
        FileNotFoundError: there is no such file; the message says where to get it.
        ValueError: the file holds other things.
    """
    op = "sunspots.load_data"
    text, found = read_text(op, path, _NAME, _SOURCE)
    with parsing(op, found, "a CSV of years and numbers"):
        years, numbers = csv_columns(text, [lambda year: int(finite(year)), finite])
        return np.array(years, np.int64), np.array(numbers)
