"""Constraints: what a weight is put back to after each update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._names import Configurable, check_number, from_config, resolve

Array = NDArray[Any]
Axis = int | Sequence[int]

# Keeps the division by a length finite; Keras has the same.
_EPSILON = 1e-7


class Constraint(Configurable):
    """A projection of a weight: `apply(w)` does it in place, `constraint(w)` gives a new array.

    A class of one's own defines `apply` and, to be saved, `get_config`.
    """

    def apply(self, w: Array) -> None:
        """Change w in place. The training loop calls this after the update."""
        raise NotImplementedError(f"{type(self).__name__}: apply must be defined by the class")

    def check(self, op: str, weight: str, shape: tuple[int, ...]) -> None:
        """Refuse a weight of a shape that the constraint cannot take. A layer calls this before it makes the weight.

        Args:
            op: what messages begin with.
            weight: the name of the weight.
            shape: of the weight.
        """

    def __call__(self, w: Array) -> Array:
        """A changed copy; w stays as it is."""
        result = np.array(w)
        self.check(type(self).__name__, "w", result.shape)
        if result.dtype.kind in "biu":
            result = result.astype(np.float64)
        self.apply(result)
        return result


def _axis(op: str, axis: Axis) -> int | tuple[int, ...]:
    axes: list[Any] = list(axis) if isinstance(axis, list | tuple) else [axis]
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in axes):
        raise TypeError(f"{op}: axis must be an int or a list of ints; got {axis!r}")
    return axis if isinstance(axis, int) else tuple(axes)


class _OfLengths(Constraint):
    """Base of those that go by the lengths of the vectors along some axes."""

    axis: int | tuple[int, ...]

    def check(self, op: str, weight: str, shape: tuple[int, ...]) -> None:
        """Refuse axes that the weight does not have."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        rank = len(shape)
        if not all(-rank <= each < rank for each in axes) or len({each % rank for each in axes}) < len(axes):
            raise ValueError(
                f"{op}: axis of {type(self).__name__} must name axes of {weight}, whose shape is {shape}, each once; "
                f"got {self.axis}"
            )

    def _lengths(self, w: Array) -> Array:
        lengths: Array = np.sqrt(np.square(w).sum(axis=self.axis, keepdims=True))
        return lengths


class MaxNorm(_OfLengths):
    """Vectors longer than max_value are shortened to it; the others keep every bit.

    Args:
        max_value: greatest length, 0 or more.
        axis: the axis or axes a vector runs along; 0 is the incoming weights of a unit of Dense.

    Example:
        >>> import numpy as np
        >>> MaxNorm(2.0)(np.array([[3.0, 1.0], [4.0, 0.0]])).round(6)
        array([[1.2, 1. ],
               [1.6, 0. ]])

    References:
        Srivastava et al., Dropout, 2014.
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = check_number("MaxNorm", "max_value", max_value, low=0)
        self.axis = _axis("MaxNorm", axis)

    def apply(self, w: Array) -> None:
        """Shorten in place."""
        length = self._lengths(w)
        w *= np.where(length > self.max_value, self.max_value / (length + _EPSILON), 1).astype(w.dtype)


class NonNeg(Constraint):
    """Negative weights become 0.

    Example:
        >>> import numpy as np
        >>> NonNeg()(np.array([-1.0, 2.0]))
        array([0., 2.])
    """

    def apply(self, w: Array) -> None:
        """Clip at 0 in place."""
        np.maximum(w, 0, out=w)


class UnitNorm(_OfLengths):
    """Every vector gets length 1; a vector of zeros stays.

    Args:
        axis: the axis or axes a vector runs along.

    Example:
        >>> import numpy as np
        >>> UnitNorm()(np.array([[3.0], [4.0]])).round(6)
        array([[0.6],
               [0.8]])
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = _axis("UnitNorm", axis)

    def apply(self, w: Array) -> None:
        """Divide by the lengths in place."""
        w /= self._lengths(w) + w.dtype.type(_EPSILON)


class MinMaxNorm(_OfLengths):
    """Vectors outside the limits are pulled to the nearer one; the others keep every bit.

    Args:
        min_value: least length, 0 or more. A vector of zeros has no direction and stays.
        max_value: greatest length.
        rate: how far to go at each update: 1 is all the way.
        axis: the axis or axes a vector runs along.

    Example:
        >>> import numpy as np
        >>> MinMaxNorm(0.5, 1.0, rate=0.5)(np.array([[3.0], [4.0]])).round(6)
        array([[1.8],
               [2.4]])
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        self.min_value = check_number("MinMaxNorm", "min_value", min_value, low=0)
        self.max_value = check_number("MinMaxNorm", "max_value", max_value, low=self.min_value)
        self.rate = check_number("MinMaxNorm", "rate", rate, low=0)
        if self.rate > 1:
            raise ValueError(f"MinMaxNorm: rate must lie in [0, 1]; got {self.rate}")
        self.axis = _axis("MinMaxNorm", axis)

    def apply(self, w: Array) -> None:
        """Stretch or shorten in place."""
        length = self._lengths(w)
        wanted = np.clip(length, self.min_value, self.max_value)
        scale = (self.rate * wanted + (1 - self.rate) * length) / (length + _EPSILON)
        w *= np.where(wanted == length, 1, scale).astype(w.dtype)


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

#: The constraints by class name.
registry: dict[str, type[Constraint]] = {cls.__name__: cls for cls in (MaxNorm, NonNeg, UnitNorm, MinMaxNorm)}
_names: dict[str, type[Constraint]] = {
    "max_norm": MaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
    "min_max_norm": MinMaxNorm,
    **registry,
}


class CallableConstraint(Constraint):
    """A function of the user's that gives the changed weight."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def apply(self, w: Array) -> None:
        """Write what the function gives."""
        w[...] = self.function(w)


def get(identifier: object, op: str = "constraints.get") -> Constraint | None:
    """The constraint for a name, a config, an object or a function; None for None.

    Args:
        identifier: `"max_norm"`, `"non_neg"`, `"unit_norm"`, `"min_max_norm"`, a `Constraint`, a class, a
            function from a weight to the changed weight, a config with its class name, or None.
        op: the function that messages begin with.

    Raises:
        ValueError: the name is unknown.
        TypeError: the identifier is of another kind.

    Example:
        >>> get("max_norm").get_config()
        {'max_value': 2.0, 'axis': 0}
    """
    what = "constraint must be a known name, a Constraint or a callable"
    if identifier is None or isinstance(identifier, Constraint):
        return identifier
    if isinstance(identifier, str):
        return resolve(_names, identifier, op, what)()
    if isinstance(identifier, dict):
        return from_config(registry, identifier, op, what)
    if isinstance(identifier, type):
        if issubclass(identifier, Constraint):
            return identifier()
    elif callable(identifier):
        return CallableConstraint(identifier)
    raise TypeError(f"{op}: {what}; got {getattr(identifier, '__name__', type(identifier).__name__)}")
