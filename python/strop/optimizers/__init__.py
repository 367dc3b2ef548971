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

from collections.abc import Mapping
from typing import Any

from .._names import from_config, resolve, to_config
from . import schedules
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .base import Optimizer
from .deferred import DeferredTable
from .lamb import Lamb
from .lion import Lion
from .nadam import Nadam
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "DeferredTable",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "registry",
    "schedules",
    "serialize",
]

#: Class names, for saved models.
registry: dict[str, type[Optimizer]] = {
    cls.__name__: cls for cls in (Adadelta, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, Nadam, RMSprop, SGD)
}

_WHAT = "optimizer must be a known name or an Optimizer"


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The class and the settings of an optimizer, as `deserialize` and `get` read them.

    Example:
        >>> serialize(RMSprop(0.1))["class_name"]
        'RMSprop'
    """
    return to_config(optimizer)


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, type[Optimizer]] | None = None
) -> Optimizer:
    """The optimizer that `serialize` described, Keras' own too.

    Args:
        config: `{"class_name": ..., "config": {...}}`; the case of a known name does not matter.
        custom_objects: classes of the caller by name.

    Raises:
        ValueError: the class is unknown or refuses the settings.

    Example:
        >>> deserialize({"class_name": "sgd", "config": {"learning_rate": 0.5}}).learning_rate
        0.5
    """
    known = {name.lower(): cls for name, cls in registry.items()}
    name = config.get("class_name")
    known |= custom_objects or {}
    if isinstance(name, str) and name not in known:
        name = name.lower()
    return from_config(known, {"class_name": name, "config": config.get("config", {})}, "optimizers", _WHAT)


def get(identifier: Any) -> Optimizer:
    """The optimizer of a name, with default settings; an optimizer is returned as it is.

    Args:
        identifier: `"sgd"`, `"rmsprop"` ... in any case, a dict as `serialize` gives it, an `Optimizer`, or a class of
            them.

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
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        names = {name.lower(): cls for name, cls in registry.items()}
        found = resolve(names, identifier.lower(), "compile", _WHAT)
        return found()  # type: ignore[call-arg]
    raise TypeError(f"compile: {_WHAT}; got {type(identifier).__name__}")
