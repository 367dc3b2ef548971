"""What the callbacks that watch one value have in common: its direction and its name."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

from .._names import check_number, nearest
from .base import Callback

#: Values that are better when higher; any other is better when lower.
HIGHER = re.compile(
    r"(acc|accuracy|auc|precision|recall|f1_score|fbeta_score|r2_score|cosine_similarity"
    r"|true_positives|true_negatives)$",
    re.IGNORECASE,
)


def higher_is_better(op: str, monitor: str, mode: str) -> bool:
    """The direction of a monitored value.

    Args:
        op: the callback, as messages begin.
        monitor: the name of the value.
        mode: `"min"`, `"max"`, or `"auto"`, which goes by the name.

    Raises:
        ValueError: mode is another.

    Example:
        >>> higher_is_better("EarlyStopping", "val_accuracy", "auto")
        True
        >>> higher_is_better("EarlyStopping", "val_precision_1", "auto")
        True
        >>> higher_is_better("EarlyStopping", "val_loss", "auto")
        False
    """
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"{op}: mode must be 'auto', 'min' or 'max'; got {mode!r}")
    if mode != "auto":
        return mode == "max"
    return HIGHER.search(re.sub(r"_\d+$", "", monitor)) is not None


def check_epochs(op: str, argument: str, value: object) -> None:
    """Refuse what counts no epochs; infinity is never.

    Raises:
        TypeError: the value is no number.
        ValueError: it is negative or NaN.

    Example:
        >>> check_epochs("EarlyStopping", "patience", 3)
    """
    if not (isinstance(value, float) and value == math.inf):
        check_number(op, argument, value, low=0)


class MonitorCallback(Callback):
    """Base of the callbacks that compare one value from epoch to epoch."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.mode = mode
        op = type(self).__name__
        given: object = monitor  # whatever a caller passes
        if not isinstance(given, str):
            raise TypeError(f"{op}: monitor must be a text; got {type(given).__name__}")
        self.min_delta = abs(check_number(op, "min_delta", min_delta))
        self.higher = higher_is_better(op, monitor, mode)

    def better(self, value: float, best: float | None) -> bool:
        """Whether the value beats the best by more than min_delta. NaN never does."""
        if value != value:
            return False
        if best is None:
            return True
        return value - self.min_delta > best if self.higher else value + self.min_delta < best

    def can_come(self) -> bool:
        """Whether this fit can produce the value."""
        return not self.log_names or self.monitor in (*self.log_names, "learning_rate")

    def warn_if_missing(self) -> None:
        """Warn, once per fit, if this fit cannot produce the value."""
        if self.can_come():
            return
        way_out = nearest(self.monitor, self.log_names)
        if self.monitor.startswith("val_") and self.monitor.removeprefix("val_") in self.log_names:
            way_out = "; pass validation_data or validation_split"
        warnings.warn(
            f"fit: monitor of {type(self).__name__} must be a value of this fit "
            f"({', '.join(self.log_names)}); got {self.monitor!r}{way_out}",
            UserWarning,
            stacklevel=2,
        )

    def current(self, logs: Mapping[str, Any] | None) -> float | None:
        """The value of this epoch, or None where it is missing."""
        value = (logs or {}).get(self.monitor)
        return None if value is None or isinstance(value, list) else float(value)
