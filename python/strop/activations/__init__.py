"""Activations: functions on arrays, and the objects with a gradient that layers hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from .._names import nearest
from .base import NAMES, Activation, CallableActivation
from .functions import (
    elu,
    exponential,
    gelu,
    hard_sigmoid,
    leaky_relu,
    linear,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    swish,
    tanh,
)

Array = NDArray[Any]

#: The activations by name, as functions.
registry: dict[str, Callable[..., Array]] = {
    "elu": elu,
    "exponential": exponential,
    "gelu": gelu,
    "hard_sigmoid": hard_sigmoid,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "log_softmax": log_softmax,
    "mish": mish,
    "relu": relu,
    "relu6": relu6,
    "selu": selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "softmax": softmax,
    "softplus": softplus,
    "softsign": softsign,
    "swish": swish,
    "tanh": tanh,
}


def get(identifier: object, op: str = "activations.get") -> Activation:
    """The activation for a name, a function, a config or None, which is linear.

    Args:
        identifier: a name, a function of this module or of the user's, an `Activation`, what `serialize`
            gave, or None.
        op: the function that messages begin with.

    Raises:
        ValueError: the name is unknown.
        TypeError: the identifier is of another kind.

    Example:
        >>> get("relu"), get(None), get(tanh)
        (Activation('relu'), Activation('linear'), Activation('tanh'))
    """
    what = "activation must be a known name, an Activation or a callable"
    if identifier is None:
        return Activation("linear")
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, dict):
        return Activation.from_config(identifier)
    if isinstance(identifier, str):
        if identifier not in NAMES:
            raise ValueError(f"{op}: {what}; got {identifier!r}{nearest(identifier, NAMES)}")
        return Activation(identifier)
    if not callable(identifier) or isinstance(identifier, type):
        raise TypeError(f"{op}: {what}; got {type(identifier).__name__}")
    name = getattr(identifier, "__name__", "")
    if registry.get(name) is identifier:
        return Activation(name)
    return CallableActivation(identifier)


def serialize(activation: Activation) -> str | dict[str, Any]:
    """The name, or name and settings where there are some; `get` reads both.

    Example:
        >>> serialize(Activation("relu")), serialize(Activation("elu", alpha=0.5))
        ('relu', {'name': 'elu', 'alpha': 0.5})
    """
    return activation.get_config() if activation.settings else activation.name
