"""Checks of an optimizer's settings, and the keywords that its rule takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._names import check_whole

SPARSE = (None, "exact", "touched", "dense")
STATE_DTYPES = (None, "bfloat16", "8bit")


def _check_numbers(op: str, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if isinstance(value, str) or (value is not None and not hasattr(value, "__float__")):
            raise TypeError(f"{op}: {name} must be a number; got {type(value).__name__}")


def check_unit_interval(op: str, *, closed: bool = False, **values: float) -> None:
    """Refuse a setting outside [0, 1), or [0, 1] if closed."""
    _check_numbers(op, values)
    for name, value in values.items():
        if not (0 <= value < 1 or (closed and value == 1)):
            raise ValueError(f"{op}: {name} must lie in [0, 1{']' if closed else ')'}; got {value}")


def check_not_negative(op: str, **values: float | None) -> None:
    """Refuse a setting that is below 0 or no finite number; None passes."""
    _check_numbers(op, values)
    for name, value in values.items():
        if value is not None and not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{op}: {name} must be 0 or more; got {value}")


def check_above_0(op: str, **values: float | None) -> None:
    """Refuse a setting that is 0, below it or no finite number; None passes."""
    _check_numbers(op, values)
    for name, value in values.items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{op}: {name} must be above 0; got {value}")


def check_count(op: str, name: str, value: int | None, least: int) -> None:
    """Refuse a setting that is no whole number of at least `least`; None passes."""
    if value is not None:
        check_whole(op, name, value, least)


def check_sparse(op: str, sparse: str | None, use_ema: bool) -> None:
    """Refuse an unknown meaning of row gradients, or one that cannot be had with averages."""
    if sparse not in SPARSE:
        raise ValueError(f"{op}: sparse must be 'exact', 'touched', 'dense' or None; got {sparse!r}")
    if sparse == "exact" and use_ema:
        raise ValueError(f"{op}: sparse='exact' cannot be had with use_ema; use sparse='dense'")


def check_state_dtype(op: str, state_dtype: str | None, sparse: str | None, amsgrad: bool) -> None:
    """Refuse an unknown format of moments, or one that the other settings do not go with."""
    if state_dtype not in STATE_DTYPES:
        raise ValueError(f"{op}: state_dtype must be 'bfloat16', '8bit' or None; got {state_dtype!r}")
    if state_dtype and sparse == "exact":
        raise ValueError(
            f"{op}: sparse='exact' cannot be had with state_dtype={state_dtype!r}; "
            "use sparse='dense' or sparse='touched'"
        )
    if state_dtype and amsgrad:
        raise ValueError(f"{op}: amsgrad must be False with state_dtype={state_dtype!r}; got True")


def check_float32(op: str, state_dtype: str | None, arrays: Sequence[Any], labels: Sequence[str]) -> None:
    """Refuse parameters whose moments cannot be of that format."""
    for array, label in zip(arrays, labels, strict=True):
        if state_dtype and array.dtype != np.float32:
            raise TypeError(
                f"{op}: params{label} must be float32 with state_dtype={state_dtype!r}; "
                f"got a {array.dtype} array of shape {array.shape}"
            )


def check_one_clip(op: str, **bounds: float | None) -> None:
    """Refuse more than one way of clipping."""
    given = [f"{name}={value}" for name, value in bounds.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{op}: clipping must be by one of {', '.join(bounds)}; got {' and '.join(given)}")


def keywords(cls: type) -> list[str]:
    """The named arguments of a class and of those that it passes others on to."""
    names: dict[str, Any] = {}
    for each in cls.__mro__:
        if "__init__" in vars(each) and each is not object:
            parameters = inspect.signature(each.__init__).parameters.values()  # type: ignore[misc]
            named = (p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
            names |= {p.name: None for p in named if p.name != "self"}
    return list(names)
