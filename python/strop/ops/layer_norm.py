"""Layer normalization over the last axes, and its gradients."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]


def layer_norm(
    x: Array, gamma: Array | None = None, beta: Array | None = None, *, axes: int = 1, epsilon: float = 1e-3
) -> tuple[Array, Array, Array]:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta` over the last axes.

    The variance is biased. It is summed from distances, so that an offset of all float32 numbers costs no digits.

    Args:
        x: float32 or float64, any shape.
        gamma: like x, of the shape of its last axes; None is 1.
        beta: like gamma; None is 0.
        axes: how many of the last axes are normalized together.
        epsilon: added to the variance; torch has 1e-5.

    Returns:
        The normalized array; mean and variance, float64, of the shape of the other axes, for `layer_norm_backward`.

    Raises:
        TypeError: x is no float array, or dtypes differ.
        ValueError: a shape does not fit, an array is strided, or axes is out of range.

    Example:
        >>> import numpy as np
        >>> y, mean, variance = layer_norm(np.array([[1.0, 2.0, 3.0]]))
        >>> y.round(6), mean
        (array([[-1.223827,  0.      ,  1.223827]]), array([2.]))

    References:
        Ba, Kiros, Hinton: Layer Normalization, arXiv 1607.06450.
    """
    result: tuple[Array, Array, Array] = kernels("layer_norm", x).layer_norm(x, gamma, beta, axes, epsilon)
    return result


def layer_norm_backward(
    grad: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    variance: Array,
    *,
    axes: int = 1,
    epsilon: float = 1e-3,
    need_x: bool = True,
) -> tuple[Array | None, Array, Array]:
    """The gradients by x, gamma and beta of `layer_norm`.

    Args:
        grad: float32 or float64, the gradient by the normalized array.
        x: like grad, what `layer_norm` was given.
        gamma: as there.
        mean: what it returned.
        variance: what it returned.
        axes: as there.
        epsilon: as there.
        need_x: False leaves out the gradient by x.

    Returns:
        Arrays like x (or None), gamma and beta.

    Raises:
        TypeError: dtypes differ.
        ValueError: a shape does not fit, or an array is strided.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 2.0, 3.0]])
        >>> _, mean, variance = layer_norm(x)
        >>> layer_norm_backward(np.array([[1.0, 0, 0]]), x, None, mean, variance)[1].round(6)
        array([-1.223827,  0.      ,  0.      ])
    """
    call = kernels("layer_norm_backward", grad).layer_norm_backward
    result: tuple[Array | None, Array, Array] = call(grad, x, gamma, mean, variance, axes, epsilon, need_x)
    return result
