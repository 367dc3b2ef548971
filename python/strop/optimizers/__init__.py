"""Optimizers with Keras' names and rules, for models and for anyone's NumPy arrays.

Example:
    >>> import numpy as np
    >>> weight = np.array([1.0, 2.0], np.float32)
    >>> optimizer = SGD(learning_rate=0.5)
    >>> optimizer.apply([np.array([1.0, 1.0], np.float32)], [weight])
    >>> weight
    array([0.5, 1.5], dtype=float32)
"""

from __future__ import annotations

from typing import Any

from .._names import resolve
from . import schedules
from .adam import Adam, AdamW
from .base import Optimizer
from .deferred import DeferredTable
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "DeferredTable", "Optimizer", "get", "registry", "schedules"]

#: Class names, for saved models.
registry: dict[str, type[Optimizer]] = {"Adam": Adam, "AdamW": AdamW, "SGD": SGD}


def get(identifier: Any) -> Optimizer:
    """The optimizer of a name, with default settings; an optimizer is returned as it is.

    Args:
        identifier: `"sgd"`, `"adam"`, `"adamw"` in any case, an `Optimizer`, or a class of them.

    Raises:
        ValueError: the name is unknown; the message has the nearest one.
        TypeError: neither a name nor an optimizer.

    Example:
        >>> get("adam").learning_rate
        0.001
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()  # type: ignore[call-arg]
    if isinstance(identifier, str):
        names = {name.lower(): cls for name, cls in registry.items()}
        found = resolve(
            names, identifier.lower(), "compile", "optimizer must be a known name or an Optimizer"
        )
        return found()  # type: ignore[call-arg]
    raise TypeError(
        f"compile: optimizer must be a known name or an Optimizer; got {type(identifier).__name__}"
    )
