"""First values of weights.

An object without a seed takes one from the stream `weights` when it is made, and gives the same numbers at
every call, as in Keras; a name makes a fresh object for each weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._names import from_config, resolve, snake_case
from .base import Array, Constant, Identity, Initializer, Ones, Shape, Zeros, float_type
from .random import Orthogonal, RandomInitializer, RandomNormal, RandomUniform, TruncatedNormal
from .variance import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    fans,
)

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "fans",
    "fill",
    "get",
    "registry",
]

_CLASSES: tuple[type[Initializer], ...] = (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)

#: The initializers by class name.
registry: dict[str, type[Initializer]] = {cls.__name__: cls for cls in _CLASSES}

_names: dict[str, type[Initializer]] = {
    **registry,
    **{snake_case(name): cls for name, cls in registry.items()},
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "uniform": RandomUniform,
    "normal": RandomNormal,
    "zero": Zeros,
    "one": Ones,
    "xavier_uniform": GlorotUniform,
    "xavier_normal": GlorotNormal,
}


def get(identifier: object, op: str = "initializers.get") -> Initializer | Callable[..., Array]:
    """The initializer for a name, a config, an object or a callable.

    Args:
        identifier: a name, as `"glorot_uniform"`; an `Initializer` or its class; a callable from shape and
            dtype to an array; or a config with its class name. A name and a class make a fresh object.
        op: the function that messages begin with.

    Raises:
        ValueError: the name is unknown.
        TypeError: the identifier is of another kind.

    Example:
        >>> get("he_normal").get_config(), get("xavier_uniform").__class__.__name__
        ({'seed': None}, 'GlorotUniform')
    """
    what = "initializer must be a known name, an Initializer or a callable"
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, str):
        return resolve(_names, identifier, op, what)()
    if isinstance(identifier, dict):
        return from_config(registry, identifier, op, what)
    if isinstance(identifier, type):
        if issubclass(identifier, Initializer):
            return identifier()
    elif callable(identifier):
        return identifier
    raise TypeError(f"{op}: {what}; got {getattr(identifier, '__name__', type(identifier).__name__)}")


def fill(
    initializer: Initializer | Callable[..., Array], shape: Shape, dtype: Any = None, *, weight: str = ""
) -> Array:
    """A weight's first value from an initializer or a callable, checked and in C order.

    Args:
        initializer: what `get` gave.
        shape: of the weight.
        dtype: float32 or float64; None is the default float type.
        weight: the weight's name, for messages.

    Raises:
        ValueError: a callable gave another shape.

    Example:
        >>> fill(lambda shape, dtype: [[1, 2]], (1, 2), weight="dense/kernel")
        array([[1., 2.]], dtype=float32)
    """
    if isinstance(initializer, RandomInitializer):
        initializer.note_use(weight)
    result = np.ascontiguousarray(initializer(tuple(shape), float_type(dtype)), float_type(dtype))
    if result.shape != tuple(shape) and (tuple(shape) or result.shape != (1,)):
        raise ValueError(
            f"{weight or 'fill'}: initializer must give shape {tuple(shape)}; got {result.shape}"
        )
    return result.reshape(tuple(shape))
