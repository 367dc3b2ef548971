"""Weekly carbon dioxide in the air of Mauna Loa (Keeling and Whorf 2004), with gaps."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._text import csv_columns, finite, parsing, read_text

Array = NDArray[Any]

_NAME = "co2.csv"
_SOURCE = "pip install statsmodels has it as statsmodels/datasets/co2/co2.csv"


def load_data(path: str | os.PathLike[str] = _NAME) -> tuple[Array, Array]:
    """Load the series.

    A user finds the file in the package statsmodels, as `statsmodels/datasets/co2/co2.csv`.

    Args:
        path: the file `co2.csv` (YYYYMMDD, parts per million or nothing, after a header line) or a folder with it;
            without one it is looked for in `$STROP_DATA`.

    Returns:
        Days, datetime64[D], and parts per million, float64, NaN in a gap.

    Raises:
        FileNotFoundError: there is no such file; the message says where to get it.
        ValueError: the file holds other things.
    """
    op = "co2.load_data"
    text, found = read_text(op, path, _NAME, _SOURCE)
    with parsing(op, found, "a CSV of days and parts per million"):
        days, parts = csv_columns(text, [_day, lambda value: finite(value) if value.strip() else np.nan])
        return np.array(days, "datetime64[D]"), np.array(parts)


def _day(text: str) -> str:
    if len(text) != 8 or not text.isdecimal():
        raise ValueError(f"the day {text!r}")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"
