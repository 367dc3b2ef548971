"""Softmax, its logarithm and their gradients, along the last axis."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]


def softmax(x: Array, *, out: Array | None = None) -> Array:
    """Probabilities from logits: `exp(x) / sum(exp(x))` along the last axis.

    Adding a constant to a row changes nothing but rounding, and no finite logit overflows.

    Args:
        x: float32 or float64, (..., C).
        out: like x, may be x itself; None makes a new array.

    Returns:
        An array like x whose rows sum to 1.

    Raises:
        TypeError: x is no float array.
        ValueError: x is strided or has no axis.

    Example:
        >>> import numpy as np
        >>> softmax(np.array([[0.0, 0.0], [1000.0, 1000.0]]))
        array([[0.5, 0.5],
               [0.5, 0.5]])
    """
    result: Array = kernels("softmax", x).softmax(x, out)
    return result


def log_softmax(x: Array, *, out: Array | None = None) -> Array:
    """Logarithms of the probabilities: `x - log(sum(exp(x)))` along the last axis.

    Args:
        x: float32 or float64, (..., C).
        out: like x, may be x itself; None makes a new array.

    Returns:
        An array like x.

    Raises:
        TypeError: x is no float array.
        ValueError: x is strided or has no axis.

    Example:
        >>> import numpy as np
        >>> log_softmax(np.array([0.0, 0.0])).round(6)
        array([-0.693147, -0.693147])
    """
    result: Array = kernels("log_softmax", x).log_softmax(x, out)
    return result


def softmax_backward(grad: Array, output: Array) -> Array:
    """The gradient by x of `softmax(x)`: `y (g - sum(g y))`.

    Args:
        grad: float32 or float64, (..., C): the gradient by the output.
        output: like grad: what softmax gave.

    Returns:
        An array like grad.

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes differ or an array is strided.

    Example:
        >>> import numpy as np
        >>> softmax_backward(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
        array([ 0.25, -0.25])
    """
    result: Array = kernels("softmax_backward", grad).softmax_backward(grad, output)
    return result


def log_softmax_backward(grad: Array, output: Array) -> Array:
    """The gradient by x of `log_softmax(x)`: `g - exp(y) sum(g)`.

    Args:
        grad: float32 or float64, (..., C): the gradient by the output.
        output: like grad: what log_softmax gave.

    Returns:
        An array like grad.

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes differ or an array is strided.

    Example:
        >>> import numpy as np
        >>> log_softmax_backward(np.array([1.0, 0.0]), np.log([0.5, 0.5])).round(6)
        array([ 0.5, -0.5])
    """
    result: Array = kernels("log_softmax_backward", grad).log_softmax_backward(grad, output)
    return result
