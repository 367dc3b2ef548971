"""The settings of a parameter group: a dict that its owner may change between steps, read and checked at every one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .._names import check_number
from ..rowgrad import RowGrad

#: Keywords of torch that choose how its kernels run; they mean nothing here and change nothing.
IGNORED = frozenset({"foreach", "fused", "capturable", "differentiable"})

#: Settings that are flags, and those that are pairs of numbers; all others are numbers.
FLAGS = frozenset({"amsgrad", "centered", "decoupled_weight_decay", "maximize", "nesterov"})
PAIRS = frozenset({"betas", "etas", "step_sizes"})


def read_settings(op: str, group: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The settings of a group as plain numbers, flags and tuples.

    Raises:
        TypeError: a setting is of another kind.
        ValueError: a setting is missing or no finite number.

    Example:
        >>> read_settings("Adam", {"lr": 1, "betas": [0.9, 0.99]}, ["lr", "betas"])
        {'lr': 1.0, 'betas': (0.9, 0.99)}
    """
    found: dict[str, Any] = {}
    for name in names:
        if name not in group:
            raise ValueError(f"{op}: param_groups must have every setting; got none for {name!r}")
        value = group[name]
        if name in FLAGS:
            if not isinstance(value, bool | np.bool_) and not (isinstance(value, int) and value in (0, 1)):
                raise TypeError(f"{op}: {name} must be True or False; got {value!r}")
            found[name] = bool(value)
        elif name in PAIRS:
            if not isinstance(value, list | tuple) or len(value) != 2:
                raise TypeError(f"{op}: {name} must be a pair of numbers; got {value!r}")
            found[name] = tuple(check_number(op, f"{name}[{i}]", part) for i, part in enumerate(value))
        else:
            found[name] = check_number(op, name, value)
    return found


def at_least_0(op: str, settings: Mapping[str, Any], *names: str) -> None:
    """Refuse a setting that is below 0."""
    for name in names:
        if settings[name] < 0:
            raise ValueError(f"{op}: {name} must be a finite number of at least 0; got {settings[name]}")


def check_betas(op: str, settings: Mapping[str, Any]) -> None:
    """Refuse betas outside [0, 1)."""
    if not all(0 <= beta < 1 for beta in settings["betas"]):
        raise ValueError(f"{op}: betas must lie in [0, 1); got {settings['betas']}")


def check_share(op: str, settings: Mapping[str, Any], name: str) -> None:
    """Refuse a share outside [0, 1]."""
    if not 0 <= settings[name] <= 1:
        raise ValueError(f"{op}: {name} must lie in [0, 1]; got {settings[name]}")


def coupled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The kernel's words for a coupled decay and for going up: `weight_decay` and `maximize` of torch."""
    return {"l2": settings["weight_decay"], "grad_scale": -1.0 if settings["maximize"] else 1.0}


def decoupled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same where the decay is decoupled."""
    return {"weight_decay": settings["weight_decay"], "grad_scale": -1.0 if settings["maximize"] else 1.0}


def decoupled_or_not(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same where `decoupled_weight_decay` says which decay it is."""
    return decoupled(settings) if settings["decoupled_weight_decay"] else coupled(settings)


class SettingsReader:
    """Reads a group at every step, and checks it again only if it has changed.

    Args:
        op: the optimizer, as messages begin.
        names: of the settings.
        check: refuses values that are out of range.
    """

    def __init__(self, op: str, names: Iterable[str], check: Callable[[dict[str, Any]], None]) -> None:
        self._op, self._names, self._check = op, list(names), check
        self._seen: list[Any] = []
        self._settings: dict[str, Any] = {}

    def read(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as they are now; not to be changed."""
        get = group.get
        values = [get(name) for name in self._names]
        if not self._as_before(values):
            self._settings = read_settings(self._op, group, self._names)
            self._check(self._settings)
            self._seen = [_frozen(value) for value in values]
        return self._settings

    def _as_before(self, values: list[Any]) -> bool:
        try:
            return values == self._seen
        except ValueError:  # an array of several has no truth
            return False


def _frozen(value: Any) -> Any:
    """The value, or for one that its owner can change in place something that never equals it."""
    return value if isinstance(value, int | float | tuple | np.generic) else object()


def check_all_finite(op: str, grads: Sequence[Any], labels: Sequence[str]) -> None:
    """Refuse gradients with NaN or infinity.

    Raises:
        ValueError: one has; the message says which and where.
    """
    for grad, label in zip(grads, labels, strict=True):
        if grad is None:
            continue
        values = grad.values if isinstance(grad, RowGrad) else grad
        with np.errstate(all="ignore"):
            total = np.add.reduce(values, axis=None)
        if np.isfinite(total):  # of finite terms alone; these can overflow in turn
            continue
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            value = values[at]
            where = (int(grad.rows[at[0]]), *at[1:]) if isinstance(grad, RowGrad) else at
            raise ValueError(f"{op}: grads{label} must be finite; got {value} at {where}")
