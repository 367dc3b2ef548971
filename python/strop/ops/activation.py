"""Activations element by element, and their gradients."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]

#: Activations that `matmul` can apply to its result while it is still in registers.
FUSED_ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh")

#: Every name, with the settings it takes and their defaults, in the kernel's order.
ACTIVATIONS: dict[str, dict[str, float]] = {
    "linear": {},
    "relu": {"negative_slope": 0.0, "max_value": math.inf, "threshold": 0.0},
    "sigmoid": {},
    "tanh": {},
    "elu": {"alpha": 1.0},
    "exponential": {},
    "gelu": {},
    "gelu_tanh": {},
    "hard_sigmoid": {},
    "leaky_relu": {"negative_slope": 0.2},
    "mish": {},
    "selu": {},
    "silu": {},
    "softplus": {},
    "softsign": {},
}


_DEFAULTS = {name: tuple(settings.values()) for name, settings in ACTIVATIONS.items()}


def _settings(op: str, name: str, given: dict[str, float]) -> tuple[float, ...]:
    if not given:
        return _DEFAULTS.get(name, ())
    known = ACTIVATIONS.get(name, {})
    for key in given:
        if name in ACTIVATIONS and key not in known:
            raise TypeError(f"{op}: {name} takes {', '.join(known) or 'no settings'}; got {key}")
    return tuple(float(given.get(key, default)) for key, default in known.items())


def activation(x: Array, *, name: str, out: Array | None = None, **settings: float) -> Array:
    """Apply an activation to every element.

    Args:
        x: float32 or float64, any shape, C-contiguous.
        name: one of `strop.ops.ACTIVATIONS`; `gelu` is the exact one, `gelu_tanh` its approximation.
        out: like x, may be x itself; None makes a new array.
        settings: those of the activation: relu takes negative_slope, max_value and threshold, leaky_relu
            negative_slope, elu alpha.

    Returns:
        An array of x's shape and dtype.

    Raises:
        TypeError: x is no float array, or a setting does not belong to the activation.
        ValueError: the name is unknown, or x is strided.

    Example:
        >>> import numpy as np
        >>> activation(np.array([-1.0, 0.0, 2.0]), name="relu")
        array([0., 0., 2.])
        >>> activation(np.array([-1.0, 2.0]), name="leaky_relu", negative_slope=0.1)
        array([-0.1,  2. ])
    """
    values = _settings("activation", name, settings)
    result: Array = kernels("activation", x).activation(x, name, out, *values)
    return result


def activation_backward(grad: Array, x: Array, output: Array, *, name: str, **settings: float) -> Array:
    """The gradient by x of `activation(x, name=name)`.

    Args:
        grad: float32 or float64: the gradient by the output.
        x: like grad: what the activation was applied to.
        output: like grad: what it gave.
        name: as in `activation`.
        settings: as in `activation`.

    Returns:
        An array like grad.

    Raises:
        TypeError: dtypes differ, or a setting does not belong to the activation.
        ValueError: shapes differ, the name is unknown, or an array is strided.

    Example:
        >>> import numpy as np
        >>> x = np.array([-1.0, 2.0])
        >>> activation_backward(np.ones(2), x, activation(x, name="relu"), name="relu")
        array([0., 1.])
    """
    values = _settings("activation_backward", name, settings)
    result: Array = kernels("activation_backward", grad).activation_backward(grad, x, output, name, *values)
    return result
