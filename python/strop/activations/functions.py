"""Activations as functions on arrays."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from .._backend import array_module
from .base import Activation, float_array

Array = NDArray[Any]


def linear(x: ArrayLike) -> Array:
    """x itself, as an array."""
    return Activation("linear")(x)


def relu(
    x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """`max(x, 0)`; with settings `negative_slope * (x - threshold)` below threshold, at most max_value.

    Example:
        >>> relu([-4.0, 0.0, 4.0])
        array([0., 0., 4.], dtype=float32)
        >>> relu([-4.0, 0.0, 4.0], negative_slope=0.5, max_value=3.0)
        array([-2.,  0.,  3.], dtype=float32)
    """
    limit = {} if max_value is None else {"max_value": max_value}
    return Activation("relu", negative_slope=negative_slope, threshold=threshold, **limit)(x)


def relu6(x: ArrayLike) -> Array:
    """relu of at most 6."""
    return Activation("relu6")(x)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    """x, or `negative_slope * x` where x is negative. The layer LeakyReLU has 0.3, as in Keras."""
    return Activation("leaky_relu", negative_slope=negative_slope)(x)


def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """x, or `alpha * (exp(x) - 1)` where x is negative."""
    return Activation("elu", alpha=alpha)(x)


def selu(x: ArrayLike) -> Array:
    """elu with the alpha 1.67326324 and the scale 1.05070098 that keep mean 0 and variance 1.

    References:
        Klambauer et al., Self-normalizing neural networks, 2017.
    """
    return Activation("selu")(x)


def gelu(x: ArrayLike, approximate: bool = False) -> Array:
    """`x * P(Z <= x)` for a standard normal Z; approximate takes the tanh form, off by up to 5e-4.

    References:
        Hendrycks and Gimpel, Gaussian error linear units, 2016.
    """
    return Activation("gelu_tanh" if approximate else "gelu")(x)


def silu(x: ArrayLike) -> Array:
    """`x * sigmoid(x)`, also called swish."""
    return Activation("silu")(x)


swish = silu


def softplus(x: ArrayLike) -> Array:
    """`log(1 + exp(x))`, without overflow."""
    return Activation("softplus")(x)


def softsign(x: ArrayLike) -> Array:
    """`x / (1 + |x|)`."""
    return Activation("softsign")(x)


def sigmoid(x: ArrayLike) -> Array:
    """`1 / (1 + exp(-x))`.

    Example:
        >>> sigmoid([0.0])
        array([0.5], dtype=float32)
    """
    return Activation("sigmoid")(x)


def hard_sigmoid(x: ArrayLike) -> Array:
    """`x / 6 + 1/2`, cut to [0, 1]. ONNX has `0.2 x + 1/2`."""
    return Activation("hard_sigmoid")(x)


def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent."""
    return Activation("tanh")(x)


def mish(x: ArrayLike) -> Array:
    """`x * tanh(softplus(x))`."""
    return Activation("mish")(x)


def exponential(x: ArrayLike) -> Array:
    """`exp(x)`."""
    return Activation("exponential")(x)


def softmax(x: ArrayLike, axis: int = -1) -> Array:
    """`exp(x) / sum(exp(x))` along an axis.

    Example:
        >>> softmax([[0.0, 0.0], [1000.0, 1000.0]])
        array([[0.5, 0.5],
               [0.5, 0.5]], dtype=float32)
    """
    return _along("softmax", x, axis)


def log_softmax(x: ArrayLike, axis: int = -1) -> Array:
    """The logarithm of softmax along an axis."""
    return _along("log_softmax", x, axis)


def _along(name: str, x: ArrayLike, axis: int) -> Array:
    array = float_array(x)
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"{name}: axis must lie in [{-array.ndim}, {array.ndim}); got {axis}")
    library = array_module(array)
    moved = library.ascontiguousarray(library.moveaxis(array, axis, -1))
    result: Array = library.ascontiguousarray(library.moveaxis(Activation(name).forward(moved), -1, axis))
    return result
