"""Checks of the numbers that an optimizer is made with."""

from __future__ import annotations

import numpy as np


def require_finite_settings(op: str, **values: float | None) -> None:
    """Refuse a setting that is below 0 or no finite number."""
    for name, value in values.items():
        if value is not None and not (value >= 0 and np.isfinite(value)):
            raise ValueError(f"{op}: {name} must be 0 or more; got {value}")


def check_unit_interval(op: str, *, closed: bool = False, **values: float) -> None:
    """Refuse a setting outside [0, 1), or [0, 1] if closed."""
    for name, value in values.items():
        if not (0 <= value < 1 or (closed and value == 1)):
            raise ValueError(f"{op}: {name} must lie in [0, 1{']' if closed else ')'}; got {value}")
